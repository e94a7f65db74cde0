#include "builder/image/local.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/unit/image/fixture.h"

namespace kiln::image::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct stat status_of(const fs::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) throw system_error(errno, "lstat " + path.string());
  return status;
}

std::string xattr_of(const fs::path& path, const char* name) {
  char value[64];
  const ssize_t size = ::lgetxattr(path.c_str(), name, value, sizeof value);
  return size < 0 ? "" : std::string(value, static_cast<std::size_t>(size));
}

/// A tree and a target, written for root.
class WriteLocal : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    fs::create_directories(tree());
    fs::create_directories(target());
  }

  fs::path tree() { return scratch_ / "tree"; }
  fs::path target() { return scratch_ / "target"; }

  void write() { write_local(tree(), os::Dir::open(target()), os::Peer{}, {}); }

  Scratch scratch_;
};

TEST_F(WriteLocal, KeepsContentModesTimesAndLinks) {
  write_text(tree() / "dir/sub/file", "content");
  fs::create_symlink("/etc/passwd", tree() / "dir/link");
  fs::create_hard_link(tree() / "dir/sub/file", tree() / "dir/twin");
  ASSERT_EQ(::mkfifo((tree() / "fifo").c_str(), 0620), 0);
  ASSERT_EQ(::chmod((tree() / "fifo").c_str(), 0620), 0);
  ASSERT_EQ(::chmod((tree() / "dir/sub/file").c_str(), 0640), 0);
  ASSERT_EQ(::chmod((tree() / "dir/sub").c_str(), 0550), 0);
  const struct timespec times[2] = {{1, 0}, {1'500'000'000, 123'456'789}};
  for (const char* name : {"dir/link", "dir/sub/file", "dir/sub", "dir", "fifo"})
    ASSERT_EQ(::utimensat(AT_FDCWD, (tree() / name).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);

  write();
  EXPECT_EQ(read_text(target() / "dir/sub/file"), "content");
  EXPECT_EQ(fs::read_symlink(target() / "dir/link"), "/etc/passwd");
  EXPECT_EQ(status_of(target() / "dir/twin").st_ino, status_of(target() / "dir/sub/file").st_ino);
  EXPECT_EQ(status_of(target() / "dir/sub/file").st_mode & 07777, 0640U);
  EXPECT_EQ(status_of(target() / "dir/sub").st_mode & 07777, 0550U);
  EXPECT_EQ(status_of(target() / "fifo").st_mode, S_IFIFO | 0620U);
  for (const char* name : {"dir/link", "dir/sub/file", "dir/sub", "dir", "fifo"}) {
    EXPECT_EQ(status_of(target() / name).st_mtim.tv_sec, 1'500'000'000) << name;
    EXPECT_EQ(status_of(target() / name).st_mtim.tv_nsec, 123'456'789) << name;
  }
}

TEST_F(WriteLocal, ReplacesFilesAndLeavesOthers) {
  write_text(tree() / "a", "new");
  write_text(tree() / "dir/b", "new");
  fs::create_directories(tree() / "was-file");
  write_text(tree() / "was-empty-directory", "new");
  write_text(target() / "a", "old, and longer");
  write_text(target() / "dir/other", "kept");
  write_text(target() / "was-file", "old");
  fs::create_directories(target() / "was-empty-directory");
  const mode_t mode = status_of(target()).st_mode;
  ASSERT_EQ(::chmod(tree().c_str(), 0777), 0);
  write();
  write();
  EXPECT_EQ(read_text(target() / "a"), "new");
  EXPECT_EQ(read_text(target() / "dir/b"), "new");
  EXPECT_EQ(read_text(target() / "dir/other"), "kept");
  EXPECT_TRUE(fs::is_directory(target() / "was-file"));
  EXPECT_EQ(read_text(target() / "was-empty-directory"), "new");
  EXPECT_EQ(status_of(target()).st_mode, mode) << "the target itself is the client's";
}

TEST_F(WriteLocal, DoesNotDeleteADirectoryWithContentForAFile) {
  write_text(tree() / "a", "new");
  write_text(target() / "a/precious", "kept");
  const Error error = error_of([&] { write(); });
  EXPECT_EQ(error.code(), Errc::invalid_input);
  EXPECT_THAT(error.what(), HasSubstr("a is a directory with content"));
  EXPECT_EQ(read_text(target() / "a/precious"), "kept");
}

TEST_F(WriteLocal, FollowsNoLinkOfTheTarget) {
  write_text(scratch_ / "outside/file", "kept");
  fs::create_directories(scratch_ / "outside/dir");
  write_text(tree() / "dir/new", "new");
  write_text(tree() / "file", "new");
  write_text(tree() / "twin", "new");
  fs::create_symlink(scratch_ / "outside/dir", target() / "dir");
  fs::create_symlink("../outside/file", target() / "file");
  fs::create_hard_link(scratch_ / "outside/file", target() / "twin");
  write();
  EXPECT_EQ(read_text(scratch_ / "outside/file"), "kept");
  EXPECT_TRUE(fs::is_empty(scratch_ / "outside/dir"));
  EXPECT_EQ(read_text(target() / "dir/new"), "new");
  EXPECT_FALSE(fs::is_symlink(target() / "dir"));
  EXPECT_EQ(read_text(target() / "file"), "new");
  EXPECT_EQ(read_text(target() / "twin"), "new");
}

TEST_F(WriteLocal, CopiesLinksOfTheTreeAsLinks) {
  fs::create_symlink("/", tree() / "root");
  fs::create_symlink("loop", tree() / "loop");
  fs::create_symlink("../../..", tree() / "up");
  write();
  EXPECT_EQ(fs::read_symlink(target() / "root"), "/");
  EXPECT_EQ(fs::read_symlink(target() / "loop"), "loop");
  EXPECT_EQ(fs::read_symlink(target() / "up"), "../../..");
}

TEST_F(WriteLocal, KeepsHoles) {
  write_text(tree() / "sparse", "begin");
  constexpr off_t kSize = off_t{1} << 33;
  ASSERT_EQ(::truncate((tree() / "sparse").c_str(), kSize), 0);
  {
    const os::Fd file(::open((tree() / "sparse").c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(file.get(), "middle", 6, kSize / 2), 6);
  }
  write();
  const struct stat status = status_of(target() / "sparse");
  EXPECT_EQ(status.st_size, kSize);
  EXPECT_LT(status.st_blocks * 512, 1 << 20);
  const os::Fd file(::open((target() / "sparse").c_str(), O_RDONLY | O_CLOEXEC));
  char text[6];
  ASSERT_EQ(::pread(file.get(), text, 6, kSize / 2), 6);
  EXPECT_EQ(std::string(text, 6), "middle");
  ASSERT_EQ(::pread(file.get(), text, 5, 0), 5);
  EXPECT_EQ(std::string(text, 5), "begin");
}

TEST_F(WriteLocal, GoesDeeperThanItKeepsDirectoriesOpen) {
  fs::path deep;
  for (int i = 0; i < 300; ++i)
    deep /= "d";
  write_text(tree() / deep / "file", "deep");
  write_text(tree() / "d/z", "after");
  ASSERT_EQ(::chmod((tree() / "d/d/d").c_str(), 0750), 0);
  write();
  EXPECT_EQ(read_text(target() / deep / "file"), "deep");
  EXPECT_EQ(read_text(target() / "d/z"), "after");
  EXPECT_EQ(status_of(target() / "d/d/d").st_mode & 07777, 0750U);
}

TEST_F(WriteLocal, StopsWhenAsked) {
  write_text(tree() / "a", "new");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(error_of([&] {
              write_local(tree(), os::Dir::open(target()), os::Peer{}, stop.get_token());
            }).code(),
            Errc::cancelled);
}

TEST_F(WriteLocal, KeepsOwnersDevicesAndAttributesForRoot) {
  write_text(tree() / "file", "content");
  write_text(tree() / "program", "content");
  fs::create_symlink("file", tree() / "link");
  ASSERT_EQ(::mknod((tree() / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  for (const char* name : {"file", "program", "link", "null"})
    ASSERT_EQ(::lchown((tree() / name).c_str(), 1234, 5678), 0);
  ASSERT_EQ(::chmod((tree() / "program").c_str(), 04755), 0);
  ASSERT_EQ(::setxattr((tree() / "file").c_str(), "user.kiln", "value", 5, 0), 0);
  ASSERT_EQ(::setxattr((tree() / "file").c_str(), "trusted.kiln", "value", 5, 0), 0);
  write();
  for (const char* name : {"file", "program", "link", "null"}) {
    EXPECT_EQ(status_of(target() / name).st_uid, 1234U) << name;
    EXPECT_EQ(status_of(target() / name).st_gid, 5678U) << name;
  }
  EXPECT_EQ(status_of(target() / "program").st_mode & 07777, 04755U);
  EXPECT_EQ(status_of(target() / "null").st_rdev, makedev(1, 3));
  EXPECT_EQ(xattr_of(target() / "file", "user.kiln"), "value");
  EXPECT_EQ(xattr_of(target() / "file", "trusted.kiln"), "value");
}

}  // namespace
}  // namespace kiln::image::test
