// An image may hold anything: nothing of it leads the daemon's own writes out of the root.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "proto/error.h"
#include "tests/unit/sandbox/fixture.h"

namespace kiln::sandbox::test {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::StartsWith;

class HostileRoot : public RuntimeTest {
 protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    if (!scratch_) return;
    fs::create_directories(outside());
    os::write_file(outside() / "file", "host");
  }
  /// A directory of the host that must stay as it is.
  [[nodiscard]] fs::path outside() const { return scratch() / "outside"; }
  void expect_host_untouched() {
    EXPECT_THAT(list_tree(outside()), ElementsAre("f file 4"));
    EXPECT_EQ(os::read_file(outside() / "file", 100), "host");
  }
  [[nodiscard]] fs::path climbing(const fs::path& target) const {
    return fs::path("../../../../../../../../../../..") / target.relative_path();
  }
};

INSTANTIATE_TEST_SUITE_P(Each,
                         HostileRoot,
                         ::testing::Values("crun", "runc"),
                         [](const auto& info) { return info.param; });

TEST_P(HostileRoot, EtcAsALinkToTheHostStaysInside) {
  fs::rename(lower() / "etc", lower() / "real");
  fs::create_symlink(outside(), lower() / "etc");
  const Result result = run(shell("cat /etc/hosts"));
  EXPECT_EQ(result.status.code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("127.0.0.1"));
  expect_host_untouched();
  EXPECT_THAT(list_tree(upper()), ElementsAre("d tmp"));
}

TEST_P(HostileRoot, HostsAsALinkThatClimbsStaysInside) {
  fs::create_symlink(climbing(outside() / "file"), lower() / "etc/hosts");
  fs::create_symlink(climbing(outside() / "new"), lower() / "etc/resolv.conf");
  const Result result = run(shell("echo changed >> /etc/hosts; echo changed >> /etc/resolv.conf"));
  EXPECT_EQ(result.status.code, 0) << result.err;
  expect_host_untouched();
  EXPECT_FALSE(fs::exists(outside() / "new"));
  EXPECT_THAT(list_tree(upper()), ElementsAre("d tmp"));
}

TEST_P(HostileRoot, TheWorkingDirectoryAsALinkStaysInside) {
  fs::create_symlink(climbing(outside()), lower() / "project");
  RunSpec spec = shell("pwd -P; touch here");
  spec.working_dir = "/project/sub";
  const Result result = run(spec);
  EXPECT_EQ(result.status.code, 0) << result.err;
  EXPECT_EQ(result.out, (outside() / "sub\n").string());
  expect_host_untouched();
  EXPECT_TRUE(fs::exists(upper() / outside().relative_path() / "sub/here"));
}

TEST_P(HostileRoot, MountTargetsAsLinksStayInside) {
  fs::create_symlink(outside(), lower() / "cache");
  fs::create_symlink(climbing(outside()), lower() / "secrets");
  fs::create_symlink("loop", lower() / "loop");
  RunSpec spec = shell("touch /cache/here /tmpfs/here; cat /secrets/s");
  fs::create_directories(scratch() / "data");
  spec.mounts = {BindMount{scratch() / "data", "/cache/mount", true},
                 BindMount{"/etc/passwd", "/secrets/s", false}, TmpfsMount{"/secrets/../tmpfs", 0}};
  const Result result = run(spec);
  expect_host_untouched();
  EXPECT_THAT(list_tree(upper()), Not(Contains(::testing::HasSubstr("mount"))));
  spec.mounts = {TmpfsMount{"/loop/x", 0}};
  EXPECT_THROW(run(spec), Error);
}

TEST_P(HostileRoot, StandardMountPointsAsLinksLeaveTheHostAlone) {
  for (const char* name : {"dev", "sys"})
    fs::create_symlink(climbing(outside()), lower() / name);
  try {
    run(shell("touch /dev/here"));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable) << error.what();
  }
  expect_host_untouched();
}

TEST_P(HostileRoot, APasswdThatIsAFifoIsRefusedAtOnce) {
  fs::remove(lower() / "etc/passwd");
  ASSERT_EQ(::mkfifo((lower() / "etc/passwd").c_str(), 0644), 0);
  EXPECT_THROW(run(shell("true")), Error);
}

}  // namespace
}  // namespace kiln::sandbox::test
