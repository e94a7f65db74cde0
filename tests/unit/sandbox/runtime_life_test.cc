// What is left when a step is cancelled or the daemon dies.
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include "builder/os/fd.h"
#include "builder/sandbox/cgroup.h"
#include "proto/error.h"
#include "tests/unit/sandbox/fixture.h"

namespace kiln::sandbox::test {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

class RuntimeLife : public RuntimeTest {
 protected:
  /// Runs `spec` and cancels it: at the first output, or after `delay` when there is one.
  std::exception_ptr run_cancelled(RunSpec spec, std::chrono::microseconds delay = {}) {
    asio::io_context io{1};
    asio::cancellation_signal signal;
    asio::steady_timer timer(io);
    std::exception_ptr failure;
    OutputFn output = [&](int, std::string_view) {
      asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
    };
    if (delay.count() != 0) {
      output = [](int, std::string_view) {};
      timer.expires_after(delay);
      timer.async_wait([&](auto error) {
        if (!error) signal.emit(asio::cancellation_type::terminal);
      });
    }
    asio::co_spawn(
        io, runtime_->run(std::move(spec), output),
        asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error, os::ExitStatus) {
          failure = error;
          timer.cancel();
        }));
    io.run();
    return failure;
  }

  static std::size_t mount_count() {
    const std::string text = os::read_file("/proc/self/mountinfo", 16 * 1024 * 1024);
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
  }
  [[nodiscard]] std::vector<std::string> cgroups() const {
    std::vector<std::string> names;
    const fs::path own = fs::path(kCgroupRoot) / runtime_config(scratch(), "").cgroup_name;
    for (const auto& entry : fs::directory_iterator(own))
      if (entry.is_directory()) names.push_back(entry.path().filename());
    return names;
  }
  void expect_nothing_left() {
    EXPECT_FALSE(is_running("86399"));
    EXPECT_TRUE(cgroups().empty());
    EXPECT_TRUE(fs::is_empty(scratch() / "state/bundles"));
    EXPECT_TRUE(fs::is_empty(scratch() / "state/networks"));
    for (const std::string& name : list_tree(scratch() / "state/runtime"))
      EXPECT_TRUE(name.contains(" .cache")) << name;
  }
};

INSTANTIATE_TEST_SUITE_P(Each,
                         RuntimeLife,
                         ::testing::Values("crun", "runc"),
                         [](const auto& info) { return info.param; });

TEST_P(RuntimeLife, CancellingKillsEverythingTheCommandStarted) {
  mount_rootfs();
  open(runtime_config(scratch(), GetParam()));
  const std::size_t mounts = mount_count();
  const auto failure = run_cancelled(shell(
      "trap '' TERM INT HUP; setsid sh -c 'sleep 86399 & sleep 86399' & echo ready; sleep 86399"));
  ASSERT_TRUE(failure);
  EXPECT_THROW(std::rethrow_exception(failure), boost::system::system_error);
  expect_nothing_left();
  EXPECT_EQ(mount_count(), mounts);
  mount_.unmount();  // nothing holds the root file system
}

TEST_P(RuntimeLife, CancellingAtAnyMomentLeavesNothing) {
  mount_rootfs();
  open(runtime_config(scratch(), GetParam()));
  for (int delay_us = 100; delay_us < 60000; delay_us += 2900) {
    RunSpec spec = shell("sleep 86399");
    spec.network = Network::none;
    const auto failure = run_cancelled(spec, std::chrono::microseconds(delay_us));
    EXPECT_TRUE(failure) << delay_us;
    expect_nothing_left();
  }
  mount_.unmount();
}

TEST_P(RuntimeLife, TheEndOfTheCommandEndsItsBackgroundProcesses) {
  const Result result = run(shell("setsid sleep 86399 & setsid sleep 86399 & exit 3"));
  EXPECT_EQ(result.status.code, 3);
  expect_nothing_left();
}

TEST_P(RuntimeLife, AFailingReaderOfTheOutputStopsTheStep) {
  mount_rootfs();
  open(runtime_config(scratch(), GetParam()));
  asio::io_context io{1};
  std::exception_ptr failure;
  asio::co_spawn(io,
                 runtime_->run(shell("echo ready; sleep 86399"),
                               [](int, std::string_view) {
                                 throw Error(Errc::unavailable, "the reader failed");
                               }),
                 [&](std::exception_ptr error, os::ExitStatus) { failure = error; });
  io.run();
  ASSERT_TRUE(failure);
  EXPECT_THROW(std::rethrow_exception(failure), Error);
  expect_nothing_left();
}

TEST_P(RuntimeLife, TheDaemonsDeathKillsItsSteps) {
  const std::string self = fs::read_symlink("/proc/self/exe");
  os::Pipe pipe = os::make_pipe();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pipe.write_end.get(), 1);
  std::string directory = scratch();
  std::string runtime = GetParam();
  std::string verb = "daemon";
  std::string program = self;
  char* argv[] = {program.data(), verb.data(), directory.data(), runtime.data(), nullptr};
  pid_t pid = -1;
  ASSERT_EQ(::posix_spawn(&pid, self.c_str(), &actions, nullptr, argv, environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
  pipe.write_end = os::Fd();
  char text[64];
  ASSERT_EQ(::read(pipe.read_end.get(), text, sizeof text), 6) << "the daemon did not get ready";
  EXPECT_TRUE(starts_soon("86397"));
  EXPECT_TRUE(starts_soon("86398"));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  EXPECT_TRUE(ends_soon("86398"));
  EXPECT_TRUE(ends_soon("86397"));
  EXPECT_TRUE(ends_soon((scratch() / "state/runtime").string()));  // the supervisor, the runtime

  // What it left on disk is emptied by the next one.
  open(runtime_config(scratch(), GetParam()));
  expect_nothing_left();
}

TEST(Runtime, SaysWhatEachCandidateAnswered) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  os::TempDir scratch("/tmp", "kiln-sandbox");
  boost::asio::thread_pool pool(1);
  RuntimeConfig config = runtime_config(scratch.path(), "/nonexistent/crun");
  asio::io_context io{1};
  std::string message;
  asio::co_spawn(io, Runtime::open(config, pool),
                 [&](std::exception_ptr error, std::unique_ptr<Runtime>) {
                   try {
                     if (error) std::rethrow_exception(error);
                   } catch (const Error& caught) {
                     message = caught.what();
                   }
                 });
  io.run();
  EXPECT_THAT(message, ::testing::HasSubstr("/nonexistent/crun: "));
  EXPECT_THAT(message, ::testing::HasSubstr("no OCI runtime works here"));
}

}  // namespace
}  // namespace kiln::sandbox::test
