#include "builder/store/file_lists.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

using testing::SizeIs;

class FileListsTest : public StoreTest {
 protected:
  void SetUp() override { open(); }
  std::filesystem::path path(const std::string& name) { return root() / "file-lists" / name; }
  void use(const std::string& list) {
    run([&](Tables& tables) {
      tables.put_record({"key", {}, "COPY . .", "[]", 1, 1, "", {list}});
    });
  }

  const std::vector<ListedFile> files_{{"b", S_IFREG | 0644, "", "0123456789abcdef"},
                                       {"a\nb", S_IFLNK | 0777, "0:0", "to where"},
                                       {"c", S_IFDIR | 0755, "1000:5", ""}};
};

TEST_F(FileListsTest, AListComesBackSortedWithEveryField) {
  const std::string name = keep_file_list(store(), files_);
  const auto read = read_file_list(store(), name);
  ASSERT_TRUE(read);
  ASSERT_THAT(*read, SizeIs(3));
  EXPECT_EQ((*read)[0].path, "a\nb");
  EXPECT_EQ((*read)[0].content, "to where");
  EXPECT_EQ((*read)[1].mode, S_IFREG | 0644U);
  EXPECT_EQ((*read)[1].owner, "");
  EXPECT_EQ((*read)[2].owner, "1000:5");
}

TEST_F(FileListsTest, EqualListsAreOneFile) {
  EXPECT_EQ(keep_file_list(store(), files_), keep_file_list(store(), files_));
}

TEST_F(FileListsTest, OneThatIsGoneOrDamagedIsNone) {
  const std::string name = keep_file_list(store(), files_);
  std::ofstream(path(name)) << "damaged";
  EXPECT_FALSE(read_file_list(store(), name));
  EXPECT_FALSE(read_file_list(store(), std::string(64, '0')));
  EXPECT_FALSE(read_file_list(store(), "../kiln.db"));
}

TEST_F(FileListsTest, WhatNoRecordWasMadeOfIsSwept) {
  const std::string used = keep_file_list(store(), files_);
  const std::string unused = keep_file_list(store(), {});
  use(used);
  EXPECT_GT(sweep_file_lists(store()), 0U);
  EXPECT_TRUE(read_file_list(store(), used));
  EXPECT_FALSE(std::filesystem::exists(path(unused)));
  EXPECT_EQ(sweep_file_lists(store()), 0U);
}

}  // namespace
}  // namespace kiln::store
