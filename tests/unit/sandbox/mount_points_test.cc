#include "builder/sandbox/mount_points.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "builder/os/file.h"
#include "proto/error.h"
#include "tests/unit/sandbox/fixture.h"

namespace kiln::sandbox {
namespace {

namespace fs = std::filesystem;
using test::list_tree;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Points : public ::testing::Test {
 protected:
  [[nodiscard]] fs::path root() const { return scratch_.path(); }
  static void set_old_time(const fs::path& path) {
    const timespec old[2] = {{1000, 0}, {1000, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), old, 0), 0);
  }
  static long time_of(const fs::path& path) {
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mtim.tv_sec;
  }

  os::TempDir scratch_{"/tmp", "kiln-points"};
};

TEST_F(Points, AreMadeWithTheirParentsAndRemovedAgain) {
  set_old_time(root());
  MountPoints points(root());
  points.add("/proc", true);
  points.add("/run/secrets/one", false);
  points.add("/run/secrets/two", false);
  EXPECT_THAT(list_tree(root()), ElementsAre("d proc", "d run", "d run/secrets",
                                             "f run/secrets/one 0", "f run/secrets/two 0"));
  points.remove();
  EXPECT_THAT(list_tree(root()), IsEmpty());
  EXPECT_EQ(time_of(root()), 1000);
}

TEST_F(Points, ThatExistedStay) {
  fs::create_directories(root() / "etc");
  fs::create_directories(root() / "proc");
  os::write_file(root() / "etc/hosts", "");
  MountPoints points(root());
  points.add("/etc/hosts", false);
  points.add("/proc", true);
  points.remove();
  EXPECT_THAT(list_tree(root()), ElementsAre("d etc", "d proc", "f etc/hosts 0"));
}

TEST_F(Points, ThatAreNoLongerEmptyStay) {
  MountPoints points(root());
  points.add("/run/secrets/one", false);
  points.add("/data", true);
  points.add("/file", false);
  os::write_file(root() / "run/kept", "x");
  os::write_file(root() / "data/kept", "x");
  os::write_file(root() / "file", "x");
  points.remove();
  EXPECT_THAT(list_tree(root()),
              ElementsAre("d data", "d run", "f data/kept 1", "f file 1", "f run/kept 1"));
}

TEST_F(Points, LeaveTheTimeThatTheStepGave) {
  fs::create_directories(root() / "etc");
  set_old_time(root() / "etc");
  MountPoints points(root());
  points.add("/etc/hosts", false);
  const timespec step[2] = {{2000, 0}, {2000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (root() / "etc").c_str(), step, 0), 0);
  points.remove();
  EXPECT_EQ(time_of(root() / "etc"), 2000);
}

TEST_F(Points, FollowLinksAsAChrootedProcessWould) {
  fs::create_directories(root() / "a/b");
  fs::create_symlink("/a", root() / "absolute");
  fs::create_symlink("../../../../../a/b", root() / "a/climbing");
  fs::create_symlink("missing/deep", root() / "a/dangling");
  MountPoints points(root());
  points.add("/absolute/x", false);
  points.add("/a/climbing/y", false);
  points.add("/a/dangling", false);
  points.add("/../../../z", true);
  EXPECT_TRUE(fs::exists(root() / "a/x"));
  EXPECT_TRUE(fs::exists(root() / "a/b/y"));
  EXPECT_TRUE(fs::is_regular_file(root() / "a/missing/deep"));
  EXPECT_TRUE(fs::is_directory(root() / "z"));
  points.remove();
  EXPECT_THAT(list_tree(root()),
              ElementsAre("? a/climbing", "? a/dangling", "? absolute", "d a", "d a/b"));
}

TEST_F(Points, RefuseLoopsAndFilesInTheWay) {
  fs::create_symlink("loop", root() / "loop");
  os::write_file(root() / "file", "x");
  MountPoints points(root());
  EXPECT_THROW(points.add("/loop", false), Error);
  EXPECT_THROW(points.add("/file/below", false), Error);
  EXPECT_THROW(points.make_directory("/file"), Error);
}

TEST_F(Points, KeepTheDirectoryThatWasAskedToStay) {
  {
    MountPoints points(root());
    points.make_directory("/project/dir");
  }
  EXPECT_THAT(list_tree(root()), ElementsAre("d project", "d project/dir"));
}

}  // namespace
}  // namespace kiln::sandbox
