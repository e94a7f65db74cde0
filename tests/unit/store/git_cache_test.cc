#include "builder/store/git_cache.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

class GitCacheTest : public StoreTest {
 protected:
  void SetUp() override { open(); }
};

TEST_F(GitCacheTest, WhatAKilledGitLeftIsGoneBeforeTheNextUser) {
  std::filesystem::path repository;
  {
    const HeldRepository held(store(), "https://host/app.git");
    repository = held.path();
  }
  for (const char* name : {"shallow.lock", "refs/heads/main.lock", "objects/pack/tmp_pack_x",
                           "objects/tmp_objdir-incoming-1/2f/part"}) {
    std::filesystem::create_directories((repository / name).parent_path());
    std::ofstream(repository / name) << "left";
  }
  std::ofstream(repository / "refs/heads/main") << "kept";
  const HeldRepository held(store(), "https://host/app.git");
  EXPECT_EQ(held.path(), repository);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(repository))
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(repository));
  EXPECT_THAT(files, testing::ElementsAre("refs/heads/main"));
}

}  // namespace
}  // namespace kiln::store
