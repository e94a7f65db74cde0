#include "builder/sandbox/user.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Users : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(scratch_.path() / "etc");
    os::write_file(scratch_.path() / "etc/passwd",
                   "root:x:0:0:root:/root:/bin/sh\n"
                   "damaged:x:zero:0::/:\n"
                   "app:x:1000:1001:App:/home/app:/bin/sh\n"
                   "12:x:99:98::/odd:\n"
                   "short:x:7:7\n");
    os::write_file(scratch_.path() / "etc/group",
                   "root:x:0:root\napp:x:1001:app\nextra:x:1002:root,app\nmore:x:1003:app\n");
  }
  [[nodiscard]] os::Dir root() const { return os::Dir::open(scratch_.path()); }

  os::TempDir scratch_{"/tmp", "kiln-users"};
};

TEST_F(Users, AreFoundAsMobyFindsThem) {
  struct Case {
    std::string name;
    std::string text;
    std::uint32_t uid;
    std::uint32_t gid;
    std::vector<std::uint32_t> groups;
    std::string home;
  };
  const std::vector<Case> cases = {
      {"empty is root with its groups", "", 0, 0, {1002}, "/root"},
      {"a name", "app", 1000, 1001, {1002, 1003}, "/home/app"},
      {"a number with an entry", "1000", 1000, 1001, {1002, 1003}, "/home/app"},
      {"a number without one gets group 0", "4242", 4242, 0, {}, "/"},
      {"an explicit group drops the others", "app:extra", 1000, 1002, {}, "/home/app"},
      {"numbers for both", "5:6", 5, 6, {}, "/"},
      {"a number is never a name", "12", 12, 0, {}, "/"},
      {"a short line", "short", 7, 7, {}, "/"},
      {"a group alone", ":app", 0, 1001, {}, "/root"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const User user = resolve_user(root(), one.text);
    EXPECT_EQ(user.uid, one.uid);
    EXPECT_EQ(user.gid, one.gid);
    EXPECT_EQ(user.groups, one.groups);
    EXPECT_EQ(user.home, one.home);
  }
}

TEST_F(Users, ThatDoNotExistAreNamedInTheError) {
  for (const std::string text : {"ghost", "app:ghost", "damaged"}) {
    try {
      static_cast<void>(resolve_user(root(), text));
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::not_found);
      EXPECT_THAT(error.what(), HasSubstr(text == "damaged" ? "damaged" : "ghost"));
    }
  }
  EXPECT_THROW(static_cast<void>(resolve_user(root(), "4294967296")), Error);
  EXPECT_THROW(static_cast<void>(resolve_user(root(), "4294967295")), Error);
}

TEST_F(Users, OwnersGetAGroupOfTheirOwn) {
  EXPECT_EQ(resolve_owner(root(), "10").gid, 10u);
  EXPECT_EQ(resolve_owner(root(), "1000").gid, 1000u);
  EXPECT_EQ(resolve_owner(root(), "app").uid, 1000u);
  EXPECT_EQ(resolve_owner(root(), "app").gid, 1001u);
  EXPECT_EQ(resolve_owner(root(), "app:extra").gid, 1002u);
  EXPECT_EQ(resolve_owner(root(), "5:7").gid, 7u);
  EXPECT_EQ(resolve_owner(root(), "app:root").gid, 0u);
}

TEST_F(Users, OwnersThatTheImageDoesNotKnowAreRoot) {
  const Owner ghost = resolve_owner(root(), "ghost:extra");
  EXPECT_EQ(ghost.uid, 0u);
  EXPECT_EQ(ghost.gid, 1002u);
  EXPECT_EQ(ghost.unknown.size(), 1u);
  EXPECT_EQ(resolve_owner(root(), "ghost").gid, 0u);
  EXPECT_EQ(resolve_owner(root(), "app:ghosts").gid, 1001u);
  EXPECT_EQ(resolve_owner(root(), "5:ghosts").gid, 5u);
}

TEST_F(Users, OfAnImageWithoutPasswdAreNumbersOrRoot) {
  fs::remove_all(scratch_.path() / "etc");
  EXPECT_EQ(resolve_user(root(), "").uid, 0u);
  EXPECT_EQ(resolve_user(root(), "").home, "/");
  EXPECT_EQ(resolve_user(root(), "7:8").gid, 8u);
  EXPECT_THAT(resolve_user(root(), "7").groups, IsEmpty());
  EXPECT_THROW(static_cast<void>(resolve_user(root(), "app")), Error);
}

TEST_F(Users, AreReadThroughLinksOfTheImageNotOfTheHost) {
  fs::remove(scratch_.path() / "etc/passwd");
  fs::create_symlink("/etc/real", scratch_.path() / "etc/passwd");
  os::write_file(scratch_.path() / "etc/real", "inside:x:77:78::/in:\n");
  EXPECT_EQ(resolve_user(root(), "inside").uid, 77u);
}

}  // namespace
}  // namespace kiln::sandbox
