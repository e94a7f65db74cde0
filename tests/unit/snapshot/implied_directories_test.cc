#include "builder/snapshot/implied_directories.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>

#include "builder/snapshot/workspace.h"
#include "tests/support/scratch.h"

namespace kiln::snapshot {
namespace {

namespace fs = std::filesystem;
using test::Scratch;

class ImpliedDirectoriesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  }

  /// A directory of layer `layer`, of that owner, mode and time.
  fs::path directory(const std::string& path, uid_t owner, mode_t mode, time_t time = 1000) {
    fs::path made = scratch_ / path;
    fs::create_directories(made);
    EXPECT_EQ(::chown(made.c_str(), owner, owner), 0);
    EXPECT_EQ(::chmod(made.c_str(), mode), 0);
    const std::array<timespec, 2> times{timespec{time, 0}, timespec{time, 0}};
    EXPECT_EQ(::utimensat(AT_FDCWD, made.c_str(), times.data(), 0), 0);
    return made;
  }
  static void opaque(const fs::path& directory) {
    ASSERT_EQ(::setxattr(directory.c_str(), "trusted.overlay.opaque", "y", 1, 0), 0);
  }

  /// "OWNER MODE TIME" of `path` in the stack, mounted with what restores it above the top.
  std::string shown(const std::vector<LayerTree>& stack, const std::string& path) {
    const os::TempDir restored(scratch_.path(), "restored");
    restore_implied(stack, restored.path());
    std::vector<fs::path> lowers;
    for (const LayerTree& layer : stack)
      lowers.push_back(layer.tree);
    lowers.push_back(restored.path());
    const View view(os::TempDir(scratch_.path(), "view"), lowers);
    struct stat status{};
    if (::lstat((view.root() / path).c_str(), &status) != 0) return "missing";
    if (!S_ISDIR(status.st_mode)) return "no directory";
    return std::to_string(status.st_uid) + " " + fmt::format("{:o}", status.st_mode & 07777) + " " +
           std::to_string(status.st_mtim.tv_sec);
  }
  LayerTree layer(const std::string& name, std::vector<std::string> implied = {}) {
    fs::create_directories(scratch_ / name);
    return {scratch_ / name, std::move(implied)};
  }

  Scratch scratch_;
};

TEST_F(ImpliedDirectoriesTest, AreAsTheLayersBelowHaveThem) {
  directory("1/tmp", 7, 01777);
  fs::create_directories(scratch_ / "2/tmp");
  fs::create_directories(scratch_ / "3/tmp");
  scratch_.write("3/tmp/x", "x");
  EXPECT_EQ(shown({layer("1"), layer("2", {"tmp"}), layer("3", {"tmp"})}, "tmp"), "7 1777 1000");
  EXPECT_EQ(shown({layer("1"), layer("2", {"tmp"}), layer("3", {"tmp"})}, "tmp/x"), "no directory");
}

TEST_F(ImpliedDirectoriesTest, ExplicitOnesAroundThemAreAsTheirOwnLayerSays) {
  directory("1/a/b", 5, 0700);
  directory("1/a", 1, 0701, 1);
  scratch_.write("2/a/b/x", "x");
  directory("2/a", 2, 0702, 2);
  const std::vector<LayerTree> stack{layer("1"), layer("2", {"a/b"})};
  EXPECT_EQ(shown(stack, "a/b"), "5 700 1000");
  EXPECT_EQ(shown(stack, "a"), "2 702 2");
}

TEST_F(ImpliedDirectoriesTest, ALaterEntryForThemCounts) {
  directory("1/tmp", 7, 01777);
  scratch_.write("2/tmp/x", "x");
  directory("3/tmp", 3, 0733);
  const os::TempDir restored(scratch_.path(), "restored");
  restore_implied({layer("1"), layer("2", {"tmp"}), layer("3")}, restored.path());
  EXPECT_TRUE(fs::is_empty(restored.path()));
}

TEST_F(ImpliedDirectoriesTest, NothingOfWhatWasDeletedComesBack) {
  directory("1/d", 7, 0700);
  directory("1/o/sub", 7, 0700);
  Scratch& scratch = scratch_;
  fs::create_directories(scratch / "2");
  ASSERT_EQ(::mknod((scratch / "2/d").c_str(), S_IFCHR, 0), 0);
  opaque(directory("2/o", 1, 0755));
  directory("3/d", 0, 0755, 3);
  directory("3/o/sub", 0, 0755, 3);
  directory("3/o", 0, 0755, 3);
  const std::vector<LayerTree> stack{layer("1"), layer("2"), layer("3", {"d", "o", "o/sub"})};
  EXPECT_EQ(shown(stack, "d"), "0 755 3");
  EXPECT_EQ(shown(stack, "o"), "1 755 1000");
  EXPECT_EQ(shown(stack, "o/sub"), "0 755 3");
  ASSERT_EQ(::mkdir((scratch / "4").c_str(), 0755), 0);
  ASSERT_EQ(::mknod((scratch / "4/o").c_str(), S_IFCHR, 0), 0);
  std::vector<LayerTree> more = stack;
  more.push_back(layer("4", {}));
  EXPECT_EQ(shown(more, "o"), "missing");
}

TEST_F(ImpliedDirectoriesTest, AnOpaqueMarkerLeavesTheDirectoryItself) {
  directory("1/d/gone", 7, 0700);
  directory("1/d", 7, 0700);
  opaque(directory("2/d", 0, 0755));
  const std::vector<LayerTree> stack{layer("1"), layer("2", {"d"})};
  EXPECT_EQ(shown(stack, "d"), "7 700 1000");
  EXPECT_EQ(shown(stack, "d/gone"), "missing");
}

TEST_F(ImpliedDirectoriesTest, ALinkBelowGivesTheMetadataOfWhereItLeads) {
  directory("1/run/lock", 9, 01777);
  fs::create_directories(scratch_ / "1/var");
  fs::create_symlink("/run/lock", scratch_ / "1/var/lock");
  fs::create_symlink("round", scratch_ / "1/round");
  scratch_.write("2/var/lock/x", "x");
  directory("2/round", 0, 0755, 2);
  const std::vector<LayerTree> stack{layer("1"), layer("2", {"round", "var", "var/lock"})};
  EXPECT_EQ(shown(stack, "var/lock"), "9 1777 1000");
  EXPECT_EQ(shown(stack, "round"), "0 755 2");
}

TEST_F(ImpliedDirectoriesTest, ALinkAboveThemHidesThem) {
  directory("1/a/b", 7, 0700);
  scratch_.write("2/a/b/x", "x");
  directory("3/other/b", 1, 0755);
  fs::create_symlink("other", scratch_ / "3/a");
  const std::vector<LayerTree> stack{layer("1"), layer("2", {"a", "a/b"}), layer("3")};
  EXPECT_EQ(shown(stack, "a"), "no directory");
  EXPECT_EQ(shown(stack, "other/b"), "1 755 1000");
}

TEST_F(ImpliedDirectoriesTest, KeepExtendedAttributesAndTheRootsOwner) {
  ASSERT_EQ(::setxattr(directory("1/d", 0, 0755).c_str(), "user.note", "n", 1, 0), 0);
  scratch_.write("2/d/x", "x");
  directory("2", 4, 0751, 44);
  const os::TempDir restored(scratch_.path(), "restored");
  restore_implied({layer("1"), layer("2", {"d"})}, restored.path());
  std::array<char, 4> value{};
  EXPECT_EQ(::getxattr((restored.path() / "d").c_str(), "user.note", value.data(), value.size()),
            1);
  const struct stat root = test::status_of(restored.path());
  EXPECT_EQ(root.st_uid, 4U);
  EXPECT_EQ(root.st_mode, S_IFDIR | 0751U);
  EXPECT_EQ(root.st_mtim.tv_sec, 44);
}

}  // namespace
}  // namespace kiln::snapshot
