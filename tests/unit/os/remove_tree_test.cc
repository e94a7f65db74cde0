#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "builder/os/file.h"
#include "builder/os/mount.h"
#include "proto/error.h"

namespace kiln::os {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RemoveTreeTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directory(tree_); }
  TempDir scratch_{fs::temp_directory_path(), "kiln-remove-test"};
  fs::path tree_ = scratch_.path() / "tree";
};

TEST_F(RemoveTreeTest, MissingIsFine) {
  EXPECT_NO_THROW(remove_tree(scratch_.path() / "nothing"));
  EXPECT_NO_THROW(remove_tree(scratch_.path() / "nothing" / "below"));
}

TEST_F(RemoveTreeTest, OddNamesAndTypesAreRemoved) {
  write_file(tree_ / "new\nline", "x");
  write_file(tree_ / std::string(255, 'n'), "x");
  write_file(tree_ / "\xff\xfe", "x");
  ASSERT_EQ(::mkfifo((tree_ / "fifo").c_str(), 0600), 0);
  fs::create_symlink("nowhere", tree_ / "dangling");
  fs::create_directories(tree_ / "closed" / "inner");
  ASSERT_EQ(::chmod((tree_ / "closed").c_str(), 0), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::mknod((tree_ / "whiteout").c_str(), S_IFCHR, makedev(0, 0)), 0);
  }
  remove_tree(tree_ / "");  // a slash at the end changes nothing
  EXPECT_FALSE(fs::exists(tree_));
}

TEST_F(RemoveTreeTest, LinksAreNotFollowed) {
  fs::create_directory(scratch_.path() / "outside");
  write_file(scratch_.path() / "outside" / "file", "x");
  fs::create_directory_symlink(scratch_.path() / "outside", tree_ / "link");
  remove_tree(tree_);
  EXPECT_TRUE(fs::exists(scratch_.path() / "outside" / "file"));
  fs::create_directory_symlink(scratch_.path() / "outside", tree_);
  remove_tree(tree_);
  EXPECT_FALSE(fs::is_symlink(tree_));
  EXPECT_TRUE(fs::exists(scratch_.path() / "outside" / "file"));
}

TEST_F(RemoveTreeTest, AFileIsATreeToo) {
  write_file(tree_ / "file", "x");
  remove_tree(tree_ / "file");
  EXPECT_TRUE(fs::is_empty(tree_));
}

/// A chain of `depth` directories, made without long paths, with a file in each.
void make_deep(const fs::path& top, int depth) {
  Fd at = open_file(top, O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < depth; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), "directory", 0755), 0);
    ASSERT_EQ(::mknodat(at.get(), "removed.0", S_IFREG | 0600, 0), 0);
    Fd next(::openat(at.get(), "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(next);
    at = std::move(next);
  }
}

TEST_F(RemoveTreeTest, DepthIsLimitedByNeitherPathsNorDescriptors) {
  ASSERT_NO_FATAL_FAILURE(make_deep(tree_, 1000));  // 10,000 characters
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit small{128, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  EXPECT_NO_THROW(remove_tree(tree_));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_FALSE(fs::exists(tree_));
}

TEST_F(RemoveTreeTest, WhatIsMountedInATreeIsNotRemovedWithIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const fs::path precious = scratch_.path() / "precious";
  fs::create_directory(precious);
  write_file(precious / "file", "x");
  fs::create_directory(tree_ / "mnt");
  {
    const Mount bound = mount_bind(precious, tree_ / "mnt", false);
    try {
      remove_tree(tree_);
      ADD_FAILURE() << "nothing thrown";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr((tree_ / "mnt").string()));
    }
    EXPECT_THROW(remove_tree(tree_ / "mnt"), Error);
    EXPECT_TRUE(fs::exists(precious / "file"));
  }
  remove_tree(tree_);
  EXPECT_FALSE(fs::exists(tree_));
  EXPECT_TRUE(fs::exists(precious / "file"));
}

TEST_F(RemoveTreeTest, AnEntryOfAnOpenDirectoryIsRemoved) {
  fs::create_directories(tree_ / "a" / "b");
  write_file(tree_ / "c", "x");
  const Fd fd = open_file(tree_, O_RDONLY | O_DIRECTORY);
  remove_tree_at(fd.get(), "a");
  remove_tree_at(fd.get(), "c");
  remove_tree_at(fd.get(), "nothing");
  EXPECT_TRUE(fs::is_empty(tree_));
}

}  // namespace
}  // namespace kiln::os
