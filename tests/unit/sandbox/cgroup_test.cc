#include "builder/sandbox/cgroup.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {
namespace {

namespace fs = std::filesystem;

class Cgroups : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }
  [[nodiscard]] static fs::path name() {
    return fs::path(kCgroupRoot) / ("kiln-test-cgroup-" + std::to_string(::getpid()));
  }
  static pid_t start_sleeper(const fs::path& cgroup) {
    char program[] = "sleep";
    char time[] = "86396";
    char* argv[] = {program, time, nullptr};
    pid_t pid = -1;
    EXPECT_EQ(::posix_spawnp(&pid, "sleep", nullptr, nullptr, argv, environ), 0);
    os::write_file(cgroup / "cgroup.procs", std::to_string(pid));
    return pid;
  }
  static int end_of(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
};

TEST_F(Cgroups, AreKilledAndRemovedWithAllBelow) {
  pid_t above = -1;
  pid_t below = -1;
  {
    const Cgroup cgroup(name());
    fs::create_directories(name() / "child/grandchild");
    above = start_sleeper(name());
    below = start_sleeper(name() / "child/grandchild");
  }
  EXPECT_FALSE(fs::exists(name()));
  EXPECT_EQ(end_of(above), SIGKILL);
  EXPECT_EQ(end_of(below), SIGKILL);
}

TEST_F(Cgroups, OfAnEarlierProcessAreEmptiedWhenOpened) {
  fs::create_directories(name() / "step");
  const pid_t pid = start_sleeper(name() / "step");
  Cgroup cgroup(name());
  EXPECT_EQ(end_of(pid), SIGKILL);
  EXPECT_FALSE(fs::exists(name() / "step"));
  cgroup.close();
  EXPECT_FALSE(fs::exists(name()));
}

TEST_F(Cgroups, ThatSomebodyElseRemovedAreFine) {
  Cgroup cgroup(name());
  ASSERT_EQ(::rmdir(name().c_str()), 0);
  cgroup.close();
  EXPECT_NO_THROW(kill_cgroup(name()));
}

TEST_F(Cgroups, WithLivingProcessesAreNotRemovedButReported) {
  Cgroup cgroup(name());
  const pid_t pid = start_sleeper(name());
  EXPECT_THROW(remove_cgroup(name(), std::chrono::milliseconds(20)), Error);
  cgroup.close();
  EXPECT_EQ(end_of(pid), SIGKILL);
}

}  // namespace
}  // namespace kiln::sandbox
