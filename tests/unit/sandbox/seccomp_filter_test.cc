#include "builder/sandbox/seccomp_filter.h"

#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "builder/os/file.h"
#include "builder/sandbox/seccomp.h"
#include "proto/error.h"

namespace kiln::sandbox {
namespace {

/// The exit code of a child that runs `body` under the filter; -1 when a signal ended it.
int under(const std::string& program, const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::string code = program;
    sock_fprog filter{};
    filter.len = static_cast<unsigned short>(code.size() / sizeof(sock_filter));
    filter.filter = reinterpret_cast<sock_filter*>(code.data());
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) ::_exit(200);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int error_of(long result) {
  return result < 0 ? errno : 0;
}

TEST(SeccompFilter, DoesWhatItsRulesSay) {
  const auto program = compile_seccomp(R"({
    "defaultAction": "SCMP_ACT_ALLOW", "architectures": [],
    "syscalls": [
      {"names": ["sync", "no_such_call"], "action": "SCMP_ACT_ERRNO"},
      {"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99},
      {"names": ["alarm"], "action": "SCMP_ACT_KILL_PROCESS"},
      {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7,
       "args": [{"index": 0, "value": 4294967295, "op": "SCMP_CMP_NE"}]},
      {"names": ["dup3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 8,
       "args": [{"index": 0, "value": 500, "op": "SCMP_CMP_EQ"},
                {"index": 0, "value": 501, "op": "SCMP_CMP_EQ"}]},
      {"names": ["umask"], "action": "SCMP_ACT_ERRNO", "errnoRet": 9,
       "args": [{"index": 0, "value": 16, "valueTwo": 16, "op": "SCMP_CMP_MASKED_EQ"}]}
    ]})");
  ASSERT_TRUE(program);
  EXPECT_EQ(under(*program, [] { return error_of(::syscall(SYS_sync)); }), EPERM);
  EXPECT_EQ(under(*program, [] { return error_of(::syscall(SYS_getpriority, 0, 0)); }), 99);
  EXPECT_EQ(under(*program, [] { return error_of(::syscall(SYS_alarm, 0)); }), -1);
  EXPECT_EQ(under(*program, [] { return error_of(::personality(0xffffffff)); }), 0);
  EXPECT_EQ(under(*program, [] { return error_of(::personality(ADDR_NO_RANDOMIZE)); }), 7);
  for (const int fd : {500, 501})
    EXPECT_EQ(under(*program, [fd] { return error_of(::dup3(fd, 3, 0)); }), 8);
  EXPECT_EQ(under(*program, [] { return error_of(::dup3(502, 3, 0)); }), EBADF);
  EXPECT_EQ(under(*program, [] { return error_of(::syscall(SYS_umask, 18)); }), 9);
  EXPECT_EQ(under(*program, [] { return error_of(::syscall(SYS_umask, 2)); }), 0);
}

TEST(SeccompFilter, RefusesWhatTheDistributionsProfileRefuses) {
  const auto path = find_seccomp_profile();
  ASSERT_TRUE(path);
  const auto program = compile_seccomp(
      translate_seccomp(os::read_file(*path, 1 << 20), local_seccomp_target({"CAP_CHOWN"})));
  ASSERT_TRUE(program);
  EXPECT_EQ(under(*program, [] { return error_of(::syscall(SYS_bpf, 0, 0, 0)); }), EPERM);
  EXPECT_EQ(under(*program, [] { return error_of(::syscall(SYS_getppid)); }), 0);
}

TEST(SeccompFilter, LeavesToTheRuntimeWhatAProgramCannotSay) {
  EXPECT_FALSE(compile_seccomp(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
    {"names":["mount"],"action":"SCMP_ACT_NOTIFY"}]})"));
  EXPECT_FALSE(compile_seccomp(
      R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_ABACUS"],"syscalls":[]})"));
}

TEST(SeccompFilter, RefusesWhatIsNoProfile) {
  for (const char* text :
       {"", "[]", "{}", R"({"defaultAction":5})",
        R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"]}]})"})
    EXPECT_THROW(static_cast<void>(compile_seccomp(text)), Error) << text;
}

}  // namespace
}  // namespace kiln::sandbox
