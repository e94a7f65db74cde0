#include "builder/sandbox/runtime.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "proto/error.h"
#include "tests/unit/sandbox/fixture.h"

namespace kiln::sandbox::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class Runtimes : public RuntimeTest {};

INSTANTIATE_TEST_SUITE_P(Each, Runtimes, ::testing::Values("crun", "runc"), [](const auto& info) {
  return info.param;
});

TEST_P(Runtimes, GiveTheExitCodeAndBothStreams) {
  const Result result = run(shell("echo out; echo err >&2; exit 42"));
  EXPECT_EQ(result.status.code, 42);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_THAT(runtime_->description(), StartsWith(GetParam() + " 1."));
  EXPECT_THAT(runtime_->warnings(), IsEmpty());
}

TEST_P(Runtimes, LeaveNothingInTheLayerButWhatTheCommandWrote) {
  const Result result = run(shell("echo hello > /tmp/file"));
  EXPECT_EQ(result.status.code, 0) << result.err;
  EXPECT_THAT(list_tree(upper()), ElementsAre("d etc", "d tmp", "f tmp/file 6"));
}

TEST_P(Runtimes, LeaveNothingInTheHostsRunDirectory) {
  const fs::path state = fs::path("/run") / GetParam();
  if (fs::exists(state)) GTEST_SKIP() << state << " is somebody else's";
  EXPECT_EQ(run(shell("true")).status.code, 0);
  EXPECT_FALSE(fs::exists(state));
}

TEST_P(Runtimes, KeepTheTimesOfDirectoriesAroundMountPoints) {
  const timespec old[2] = {{1000000000, 5}, {1000000000, 5}};
  mount_rootfs();
  for (const fs::path& path : {rootfs() / "etc", rootfs()})
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), old, 0), 0);
  EXPECT_EQ(run(shell("cat /etc/hosts > /tmp/x")).status.code, 0);
  for (const fs::path& path : {rootfs() / "etc", rootfs()}) {
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mtim.tv_sec, 1000000000) << path;
    EXPECT_EQ(status.st_mtim.tv_nsec, 5) << path;
  }
}

TEST_P(Runtimes, DiscardWhatACommandWritesToHostsAndResolvConf) {
  os::write_file(lower() / "etc/hosts", "image\n");
  const Result result =
      run(shell("echo mine >> /etc/hosts && echo mine >> /etc/resolv.conf && cat /etc/hosts"));
  EXPECT_EQ(result.status.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("mine"));
  EXPECT_THAT(result.out, Not(HasSubstr("image")));
  EXPECT_EQ(os::read_file(rootfs() / "etc/hosts", 100), "image\n");
  EXPECT_FALSE(fs::exists(rootfs() / "etc/resolv.conf"));
  EXPECT_THAT(list_tree(upper()), ElementsAre("d etc"));
}

TEST_P(Runtimes, ShowAddedHostsAndTheHostName) {
  RunSpec spec = shell("cat /etc/hosts; hostname");
  spec.add_hosts = {"db:10.1.2.3", "six:fd00::1"};
  const Result result = run(spec);
  EXPECT_THAT(result.out, HasSubstr("10.1.2.3\tdb\n"));
  EXPECT_THAT(result.out, HasSubstr("fd00::1\tsix\n"));
  EXPECT_THAT(result.out, HasSubstr("127.0.0.1\tlocalhost buildkitsandbox\n"));
  EXPECT_THAT(result.out, ::testing::EndsWith("buildkitsandbox\n"));
}

TEST_P(Runtimes, SetEnvironmentDirectoryAndUserByName) {
  RunSpec spec = shell("pwd; id; echo $A $HOME $PATH; echo err > /dev/stderr");
  spec.user = "app";
  spec.env = {"A=b c"};
  spec.working_dir = "/project/dir";
  const Result result = run(spec);
  EXPECT_EQ(result.err, "err\n");
  EXPECT_EQ(result.out,
            "/project/dir\nuid=1000(app) gid=1001(app) groups=1001(app),1002(extra)\nb c /home/app "
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
  EXPECT_TRUE(fs::is_directory(upper() / "project/dir"));
}

TEST_P(Runtimes, HaveDockersCapabilitiesAndASeccompFilter) {
  const Result result =
      run(shell("grep -E '^(CapEff|CapBnd|Seccomp|NoNewPrivs):' /proc/self/status"));
  EXPECT_THAT(result.out, HasSubstr("CapEff:\t00000000a80425fb"));
  EXPECT_THAT(result.out, HasSubstr("CapBnd:\t00000000a80425fb"));
  EXPECT_THAT(result.out, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(result.out, HasSubstr("NoNewPrivs:\t0"));
  RunSpec other = shell("grep CapEff /proc/self/status");
  other.user = "app";
  EXPECT_THAT(run(other).out, HasSubstr("CapEff:\t0000000000000000"));
}

TEST_P(Runtimes, KeepDevicesOfTheHostClosed) {
  const Result result = run(
      shell("echo x > /dev/null && head -c1 /dev/urandom >/dev/null && mknod /tmp/kmsg c 1 11 && "
            "mknod /tmp/zero c 1 5 && head -c1 /tmp/zero > /dev/null && ! head -c1 /tmp/kmsg"));
  EXPECT_EQ(result.status.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("Operation not permitted"));
}

TEST_P(Runtimes, OpenEverythingToAnInsecureStep) {
  RunSpec spec = shell(
      "mount -t tmpfs none /tmp && mknod /tmp/kmsg c 1 11 && head -c1 /tmp/kmsg >/dev/null && "
      "grep -E '^(CapEff|Seccomp):' /proc/self/status");
  spec.insecure = true;
  const Result result = run(spec);
  EXPECT_EQ(result.status.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Seccomp:\t0"));
  EXPECT_THAT(result.out, Not(HasSubstr("a80425fb")));
}

TEST_P(Runtimes, MaskAndProtectProc) {
  const Result result =
      run(shell("cat /proc/kcore | head -c1; echo 1 > /proc/sys/kernel/domainname; touch /sys/x; "
                "ls /sys/firmware"));
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("Read-only file system"));
}

TEST_P(Runtimes, HaveTheAskedSharedMemoryAndLimits) {
  RunSpec spec = shell("df -k /dev/shm | grep shm; ulimit -n; ulimit -Hn");
  spec.shm_size_bytes = 12 * 1024 * 1024;
  spec.ulimits = {{"nofile", 512, 1024}};
  const Result result = run(spec);
  EXPECT_THAT(result.out, HasSubstr(" 12288 "));
  EXPECT_THAT(result.out, HasSubstr("\n512\n1024\n"));
}

TEST_P(Runtimes, LoseNothingOfALongOutput) {
  const Result result = run(shell("seq 1 1000000; seq 1 200000 >&2"));
  EXPECT_EQ(result.out.size(), 6888896u);
  EXPECT_THAT(result.out, ::testing::EndsWith("\n999999\n1000000\n"));
  EXPECT_EQ(result.err.size(), 1288895u);
}

TEST_P(Runtimes, TellAMissingCommandFromItsExitCode) {
  RunSpec spec = shell("");
  spec.args = {"no-such-program"};
  const Result missing = run(spec);
  EXPECT_EQ(missing.status.code, 127);
  EXPECT_THAT(missing.err, HasSubstr("no-such-program"));
  EXPECT_THAT(missing.err, HasSubstr("not found"));
  spec.args = {"/etc/passwd"};
  const Result refused = run(spec);
  EXPECT_EQ(refused.status.code, 126);
  EXPECT_THAT(refused.err, AnyOf(HasSubstr("denied"), HasSubstr("not permitted")));
  EXPECT_EQ(run(shell("exit 127")).err, "");
}

TEST_P(Runtimes, ReportTheirOwnFailureAsAnError) {
  fs::create_directories(lower() / "etc/hosts");
  try {
    run(shell("true"));
    FAIL() << "a file was mounted on a directory";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_THAT(error.what(), HasSubstr("run /bin/sh: " + GetParam() + " 1."));
  }
}

TEST_P(Runtimes, NameAMissingUser) {
  RunSpec spec = shell("true");
  spec.user = "nobody-here";
  try {
    run(spec);
    FAIL() << "there is no such user";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_found);
    EXPECT_THAT(error.what(), HasSubstr("nobody-here"));
  }
}

TEST_P(Runtimes, MountWhatIsAskedFor) {
  fs::create_directories(scratch() / "data/sub");
  os::write_file(scratch() / "data/file", "content");
  os::write_file(scratch() / "secret", "hidden");
  RunSpec spec = shell(
      "cat /run/secrets/s /data/file && echo new > /data/new && ! touch /ro/x && "
      "df -k /scratch | grep 1024 && touch /scratch/x && cat /dev/pipes/s && cat /data/sub/s");
  spec.mounts = {BindMount{scratch() / "secret", "/data/sub/s", false},
                 BindMount{scratch() / "secret", "/run/secrets/s", false},
                 BindMount{scratch() / "secret", "/dev/pipes/s", false},
                 BindMount{scratch() / "data", "/ro", false},
                 BindMount{scratch() / "data", "/data", true},
                 TmpfsMount{"/scratch", 1024 * 1024}};
  const Result result = run(spec);
  EXPECT_EQ(result.status.code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("hiddencontent"));
  EXPECT_THAT(result.err, HasSubstr("Read-only file system"));
  EXPECT_TRUE(fs::exists(scratch() / "data/new"));
  EXPECT_THAT(list_tree(upper()), ElementsAre("d etc"));
}

TEST_P(Runtimes, WorkInAnEmptyRootWithNothingToMountOn) {
  mount_rootfs();
  fs::create_directories(scratch() / "scratch/bin");
  fs::copy_file("/bin/busybox", scratch() / "scratch/bin/true");
  RunSpec spec = shell("");
  spec.rootfs = scratch() / "scratch";
  spec.args = {"/bin/true"};
  EXPECT_EQ(run(spec).status.code, 0);
  EXPECT_THAT(list_tree(scratch() / "scratch"), ElementsAre("d bin", HasSubstr("f bin/true")));
}

TEST_P(Runtimes, HaveOnlyLoopbackWithoutANetwork) {
  RunSpec spec =
      shell("ip -o link | grep -c . ; ip -o link; ping -c1 127.0.0.1 >/dev/null && echo up");
  spec.network = Network::none;
  const Result result = run(spec);
  EXPECT_THAT(result.out, StartsWith("1\n1: lo:"));
  EXPECT_THAT(result.out, ::testing::EndsWith("up\n"));
}

TEST_P(Runtimes, ShareTheHostsNetworkWhenAskedTo) {
  RunSpec spec = shell("readlink /proc/self/ns/net");
  spec.network = Network::host;
  const std::string host = fs::read_symlink("/proc/self/ns/net").string();
  EXPECT_EQ(run(spec).out, host + "\n");
}

}  // namespace
}  // namespace kiln::sandbox::test
