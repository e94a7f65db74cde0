#include "builder/snapshot/workspace.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/scratch.h"

namespace kiln::snapshot {
namespace {

using test::content_of;
using test::Scratch;

class WorkspaceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  }
  os::TempDir temp() const { return os::TempDir(scratch_.path(), "work"); }
  Scratch scratch_;
};

TEST_F(WorkspaceTest, ShowsLayersWithTheTopmostFirst) {
  scratch_.write("low/a", "low");
  scratch_.write("low/b", "low");
  scratch_.write("high/a", "high");
  const Workspace workspace(temp(), {scratch_ / "low", scratch_ / "high"});
  EXPECT_EQ(content_of(workspace.root() / "a"), "high");
  EXPECT_EQ(content_of(workspace.root() / "b"), "low");
}

TEST_F(WorkspaceTest, CommitsOnlyWhatChanged) {
  scratch_.write("low/kept", "kept");
  scratch_.write("low/gone", "gone");
  Workspace workspace(temp(), {scratch_ / "low"});
  std::ofstream(workspace.root() / "new") << "new";
  std::filesystem::remove(workspace.root() / "gone");
  workspace.commit(scratch_ / "snapshot");
  EXPECT_EQ(content_of(scratch_ / "snapshot/new"), "new");
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "snapshot/kept"));
  const struct stat whiteout = test::status_of(scratch_ / "snapshot/gone");
  EXPECT_TRUE(S_ISCHR(whiteout.st_mode));
  EXPECT_EQ(whiteout.st_rdev, 0U);
}

TEST_F(WorkspaceTest, StartsFromNothingWithoutLayers) {
  Workspace workspace(temp(), {});
  EXPECT_TRUE(std::filesystem::is_empty(workspace.root()));
  std::ofstream(workspace.root() / "first") << "1";
  workspace.commit(scratch_ / "snapshot");
  EXPECT_EQ(content_of(scratch_ / "snapshot/first"), "1");
}

TEST_F(WorkspaceTest, RootDirectoryModeDoesNotDependOnTheUmask) {
  const mode_t before = ::umask(0077);
  const Workspace workspace(temp(), {});
  ::umask(before);
  EXPECT_EQ(test::status_of(workspace.root()).st_mode & 07777U, 0755U);
}

TEST_F(WorkspaceTest, LeavesNothingWhenItIsDropped) {
  std::filesystem::path root;
  {
    const Workspace workspace(temp(), {});
    root = workspace.root();
    std::ofstream(root / "unfinished") << "x";
  }
  EXPECT_FALSE(std::filesystem::exists(root.parent_path()));
}

TEST_F(WorkspaceTest, CommitRefusesANameThatIsTaken) {
  scratch_.write("snapshot/occupied", "x");
  Workspace workspace(temp(), {});
  EXPECT_THROW(workspace.commit(scratch_ / "snapshot"), Error);
}

TEST_F(WorkspaceTest, ViewCannotBeWritten) {
  scratch_.write("low/a", "low");
  scratch_.write("high/b", "high");
  const View view(temp(), {scratch_ / "low", scratch_ / "high"});
  EXPECT_EQ(content_of(view.root() / "a"), "low");
  std::ofstream file(view.root() / "a");
  EXPECT_FALSE(file.is_open());
  const View single(temp(), {scratch_ / "low"});
  EXPECT_FALSE(std::ofstream(single.root() / "c").is_open());
}

TEST_F(WorkspaceTest, StacksMoreLayersThanOneMountOptionHolds) {
  std::vector<std::filesystem::path> lowers;
  for (int i = 0; i < 200; ++i) {
    scratch_.write("layer" + std::to_string(i) + "/f" + std::to_string(i), "x");
    lowers.push_back(scratch_ / ("layer" + std::to_string(i)));
  }
  const Workspace workspace(temp(), lowers);
  EXPECT_TRUE(std::filesystem::exists(workspace.root() / "f0"));
  EXPECT_TRUE(std::filesystem::exists(workspace.root() / "f199"));
}

TEST(DiskBytes, CountsHardLinksOnce) {
  const Scratch scratch;
  scratch.write("tree/a", std::string(100'000, 'x'));
  const std::uint64_t one = disk_bytes(scratch / "tree");
  std::filesystem::create_hard_link(scratch / "tree/a", scratch / "tree/b");
  EXPECT_EQ(disk_bytes(scratch / "tree"), one);
}

TEST_F(WorkspaceTest, ForgetsDirectoriesThatOnlyGotAndLostAMountPoint) {
  scratch_.write("low/etc/deep/kept", "kept");
  scratch_.write("low/touched/kept", "kept");
  scratch_.write("low/filled/kept", "kept");
  scratch_.write("low/replaced/gone", "gone");
  const struct stat before = test::status_of(scratch_ / "low/etc/deep");
  Workspace workspace(temp(), {scratch_ / "low"});
  std::ofstream(workspace.root() / "etc/deep/stub") << "";
  std::filesystem::remove(workspace.root() / "etc/deep/stub");
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, (workspace.root() / "etc/deep").c_str(), times, 0), 0);
  std::filesystem::permissions(workspace.root() / "touched", std::filesystem::perms(0700));
  std::ofstream(workspace.root() / "filled/new") << "new";
  std::filesystem::remove_all(workspace.root() / "replaced");
  std::filesystem::create_directory(workspace.root() / "replaced");
  workspace.forget(
      {"/etc/deep/stub", "/touched/stub", "/filled/stub", "/replaced/stub", "/none/x"});
  workspace.commit(scratch_ / "snapshot");
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "snapshot/etc"));
  EXPECT_TRUE(std::filesystem::exists(scratch_ / "snapshot/touched"));
  EXPECT_TRUE(std::filesystem::exists(scratch_ / "snapshot/filled/new"));
  EXPECT_TRUE(std::filesystem::exists(scratch_ / "snapshot/replaced"));
}

}  // namespace
}  // namespace kiln::snapshot
