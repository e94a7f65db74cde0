#include "builder/ops/packed_files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "builder/os/file.h"
#include "proto/error.h"
#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

class PackedFilesTest : public testing::Test {
 protected:
  /// Files "0000" to "COUNT - 1", each holding its name.
  void put(int count) {
    for (int i = 0; i < count; ++i)
      scratch_.write(fmt::format("d{}/{:04}", i / 50, i), fmt::format("{:04}", i));
    const Exclusion none{[](std::string_view) { return false; },
                         [](std::string_view) { return false; }};
    const SourceTree& tree = packed_.keep(SourceTree{&root_, {}, "the context"});
    for (const SelectedSource& source : packed_.keep(select_source(tree, "", {}, none, {}))) {
      for (const TreeEntry& entry : source.entries) {
        if (!S_ISREG(entry.status.st_mode)) continue;
        packed_.put(entry.path, tree, entry, {});
        paths_.push_back(entry.path);
      }
    }
  }

  /// Its name, which is its content, when all is well.
  std::string read(std::size_t file) {
    const auto opened = packed_.open(file);
    std::string text = os::read_all(opened.fd.get(), "a file", 100);
    packed_.check(file, opened);
    return text;
  }
  [[nodiscard]] std::string name(std::size_t file) const {
    return paths_[file].substr(paths_[file].find('/') + 1);
  }
  Errc code_of_failure(std::size_t file) {
    try {
      (void)read(file);
    } catch (const Error& error) {
      return error.code();
    }
    return Errc::internal;
  }

  test::Scratch scratch_;
  os::Dir root_ = os::Dir::open(scratch_.path());
  PackedFiles packed_;
  std::vector<std::string> paths_;
};

TEST_F(PackedFilesTest, AreReadInTheOrderInWhichTheyWerePut) {
  put(1000);
  for (std::size_t i = 0; i < 1000; ++i)
    ASSERT_EQ(read(i), name(i));
}

TEST_F(PackedFilesTest, AreReadInAnyOrderAndAgain) {
  put(400);
  for (const std::size_t file : {399U, 0U, 1U, 1U, 200U, 150U, 31U, 32U, 160U, 161U, 399U})
    EXPECT_EQ(read(file), name(file));
}

TEST_F(PackedFilesTest, OneThatCannotBeOpenedFailsOnlyWhenItIsAskedFor) {
  put(300);
  std::filesystem::remove(scratch_ / paths_[20]);
  scratch_.write(paths_[21], "another");
  EXPECT_EQ(read(0), name(0));
  EXPECT_EQ(read(19), name(19));
  EXPECT_EQ(code_of_failure(20), Errc::not_found);
  EXPECT_EQ(code_of_failure(21), Errc::unavailable);
  EXPECT_EQ(read(22), name(22));
}

TEST_F(PackedFilesTest, OneThatChangesAfterItWasOpenedAheadIsFoundOut) {
  put(300);
  EXPECT_EQ(read(0), name(0));
  scratch_.write(paths_[5], "something longer");
  EXPECT_EQ(code_of_failure(5), Errc::unavailable);
  EXPECT_EQ(read(6), name(6));
}

}  // namespace
}  // namespace kiln::ops
