#include "builder/os/peer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <latch>
#include <thread>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::os {
namespace {

class ActAsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "acting as another user needs root";
    ASSERT_EQ(::chmod(scratch_.path().c_str(), 0755), 0);
    write_file(mine_, "x");
    ASSERT_EQ(::chmod(mine_.c_str(), 0600), 0);
  }
  [[nodiscard]] bool can_open(const std::filesystem::path& path) const {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return static_cast<bool>(fd);
  }

  TempDir scratch_{std::filesystem::temp_directory_path(), "kiln-peer-test"};
  std::filesystem::path mine_ = scratch_.path() / "mine";
  const Peer nobody_{65534, 65534, {}};
};

TEST_F(ActAsTest, AFileOfRootIsNotTheirs) {
  EXPECT_TRUE(can_open(mine_));
  {
    const ActAs as(nobody_);
    EXPECT_FALSE(can_open(mine_));
    EXPECT_EQ(errno, EACCES);
  }
  EXPECT_TRUE(can_open(mine_));
}

TEST_F(ActAsTest, AnotherThreadKeepsItsRights) {
  std::latch acting(1);
  std::latch checked(1);
  bool theirs = true;
  std::thread other([&] {
    const ActAs as(nobody_);
    theirs = can_open(mine_);
    acting.count_down();
    checked.wait();
  });
  acting.wait();
  EXPECT_TRUE(can_open(mine_));
  checked.count_down();
  other.join();
  EXPECT_FALSE(theirs);
}

TEST_F(ActAsTest, RightsComeBackAfterAnException) {
  try {
    const ActAs as(nobody_);
    throw Error(Errc::internal, "x");
  } catch (const Error&) {
    EXPECT_TRUE(can_open(mine_));
  }
}

TEST_F(ActAsTest, TheGroupsOfThePeerCount) {
  const std::filesystem::path shared = scratch_.path() / "shared";
  write_file(shared, "x");
  ASSERT_EQ(::chown(shared.c_str(), 0, 4711), 0);
  ASSERT_EQ(::chmod(shared.c_str(), 0640), 0);
  const Peer member{65534, 65534, {4711}};
  {
    const ActAs as(nobody_);
    EXPECT_FALSE(can_open(shared));
  }
  {
    const ActAs as(member);
    EXPECT_TRUE(can_open(shared));
  }
  {
    const ActAs as(nobody_);
    EXPECT_FALSE(can_open(shared)) << "groups must not stay behind";
  }
}

TEST_F(ActAsTest, FilesAreMadeAsThePeer) {
  ASSERT_EQ(::chmod(scratch_.path().c_str(), 01777), 0);
  {
    const ActAs as(nobody_);
    write_file(scratch_.path() / "made", "x");
  }
  struct stat status{};
  ASSERT_EQ(::stat((scratch_.path() / "made").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 65534U);
  EXPECT_EQ(status.st_gid, 65534U);
}

TEST_F(ActAsTest, RootIsRoot) {
  const Peer root{0, 0, {}};
  const ActAs as(root);
  EXPECT_TRUE(can_open(mine_));
}

TEST(PeerOf, IsTheProcessAtTheOtherEnd) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const Fd first(ends[0]);
  const Fd second(ends[1]);
  const Peer peer = peer_of(first.get());
  EXPECT_EQ(peer.uid, ::geteuid());
  EXPECT_EQ(peer.gid, ::getegid());
  std::vector<gid_t> groups(static_cast<std::size_t>(::getgroups(0, nullptr)));
  ASSERT_GE(::getgroups(static_cast<int>(groups.size()), groups.data()), 0);
  EXPECT_THAT(peer.groups, testing::UnorderedElementsAreArray(groups));
}

TEST(PeerOf, AFileIsNoSocket) {
  const Fd file = open_file("/dev/null", O_RDONLY);
  EXPECT_THROW((void)peer_of(file.get()), Error);
}

}  // namespace
}  // namespace kiln::os
