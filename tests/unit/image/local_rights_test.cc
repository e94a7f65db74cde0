// Local outputs for a client that is not root. Root writes for it, so these tests need root.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "builder/image/local.h"
#include "tests/unit/image/fixture.h"

namespace kiln::image::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr uid_t kNobody = 65534;

struct stat status_of(const fs::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) throw system_error(errno, "lstat " + path.string());
  return status;
}

class WriteLocalForNobody : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    fs::permissions(scratch_.path(), fs::perms(0755));
    fs::create_directories(tree());
    fs::create_directories(target());
    ASSERT_EQ(::chown(target().c_str(), kNobody, kNobody), 0);
  }

  fs::path tree() { return scratch_ / "tree"; }
  fs::path target() { return scratch_ / "target"; }
  void write() { write_local(tree(), os::Dir::open(target()), peer_, {}); }

  Scratch scratch_;
  os::Peer peer_{kNobody, kNobody, {}};
};

TEST_F(WriteLocalForNobody, MakesEverythingTheClients) {
  write_text(tree() / "secret", "root's own");
  write_text(tree() / "dir/file", "content");
  fs::create_symlink("file", tree() / "dir/link");
  fs::create_hard_link(tree() / "secret", tree() / "twin");
  ASSERT_EQ(::chmod((tree() / "secret").c_str(), 0400), 0);
  ASSERT_EQ(::chmod((tree() / "dir").c_str(), 0555), 0);
  write();
  write();  // again, over its own read-only directory
  for (const char* name : {"secret", "dir", "dir/file", "dir/link", "twin"}) {
    EXPECT_EQ(status_of(target() / name).st_uid, kNobody) << name;
    EXPECT_EQ(status_of(target() / name).st_gid, kNobody) << name;
  }
  EXPECT_EQ(read_text(target() / "secret"), "root's own");
  EXPECT_EQ(status_of(target() / "secret").st_mode & 07777, 0400U);
  EXPECT_EQ(status_of(target() / "secret").st_nlink, 2U);
  EXPECT_EQ(status_of(target() / "dir").st_mode & 07777, 0555U);
  EXPECT_EQ(::geteuid(), 0U);
  write_text(target() / "root-again", "the thread has its own rights back");
  EXPECT_EQ(status_of(target() / "root-again").st_uid, 0U);
}

TEST_F(WriteLocalForNobody, GivesNoPowersAway) {
  write_text(tree() / "program", "content");
  ASSERT_EQ(::mknod((tree() / "disk").c_str(), S_IFBLK | 0666, makedev(8, 0)), 0);
  ASSERT_EQ(::chmod((tree() / "program").c_str(), 06755), 0);
  const unsigned char capability[20] = {1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff};
  ASSERT_EQ(::setxattr((tree() / "program").c_str(), "security.capability", capability,
                       sizeof capability, 0),
            0);
  ASSERT_EQ(::setxattr((tree() / "program").c_str(), "user.kiln", "value", 5, 0), 0);
  write();
  EXPECT_FALSE(fs::exists(target() / "disk"));
  EXPECT_EQ(status_of(target() / "program").st_mode & 07777, 0755U);
  EXPECT_LT(::getxattr((target() / "program").c_str(), "security.capability", nullptr, 0), 0);
  EXPECT_EQ(::getxattr((target() / "program").c_str(), "user.kiln", nullptr, 0), 5);
}

TEST_F(WriteLocalForNobody, IsDeniedWhereTheClientMayNotWrite) {
  write_text(tree() / "dir/file", "content");
  ASSERT_EQ(::chown(target().c_str(), 0, 0), 0);
  Error error = error_of([&] { write(); });
  EXPECT_EQ(error.code(), Errc::denied);
  EXPECT_THAT(error.what(), HasSubstr("dir: Permission denied; user 65534 must"));
  EXPECT_TRUE(fs::is_empty(target()));

  // Writable for it, but with a directory and a file that are not.
  ASSERT_EQ(::chown(target().c_str(), kNobody, kNobody), 0);
  fs::create_directories(target() / "dir");
  error = error_of([&] { write(); });
  EXPECT_EQ(error.code(), Errc::denied);
  EXPECT_THAT(error.what(), HasSubstr("dir/file"));
  EXPECT_TRUE(fs::is_empty(target() / "dir"));
}

TEST_F(WriteLocalForNobody, LeavesOthersDirectoriesAsTheyAre) {
  write_text(tree() / "shared/file", "content");
  fs::create_directories(target() / "shared");
  ASSERT_EQ(::chmod((target() / "shared").c_str(), 01777), 0);
  write();
  EXPECT_EQ(read_text(target() / "shared/file"), "content");
  EXPECT_EQ(status_of(target() / "shared").st_uid, 0U);
  EXPECT_EQ(status_of(target() / "shared").st_mode & 07777, 01777U);
}

TEST_F(WriteLocalForNobody, CannotBeLedOutByItsOwnLinks) {
  write_text(scratch_ / "outside/file", "kept");
  ASSERT_EQ(::chown((scratch_ / "outside").c_str(), kNobody, kNobody), 0);
  write_text(tree() / "outside/file", "new");
  fs::create_symlink(scratch_ / "outside", target() / "outside");
  write();
  EXPECT_EQ(read_text(scratch_ / "outside/file"), "kept");
  EXPECT_EQ(read_text(target() / "outside/file"), "new");
}

TEST_F(WriteLocalForNobody, WritesWithTheClientsGroups) {
  constexpr gid_t kGroup = 4321;
  write_text(tree() / "file", "content");
  ASSERT_EQ(::chown(target().c_str(), 0, kGroup), 0);
  ASSERT_EQ(::chmod(target().c_str(), 0770), 0);
  EXPECT_EQ(error_of([&] { write(); }).code(), Errc::denied);
  peer_.groups = {kGroup};
  write();
  EXPECT_EQ(read_text(target() / "file"), "content");
}

}  // namespace
}  // namespace kiln::image::test
