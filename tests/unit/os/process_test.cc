#include "builder/os/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <thread>

#include "builder/os/file.h"
#include "proto/error.h"
#include "tests/support/run_async.h"

namespace kiln::os {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::experimental::awaitable_operators::operator||;

const std::vector<std::string> kEnv{"PATH=/usr/bin:/bin"};

std::vector<std::string> shell(std::string script) {
  return {"sh", "-c", std::move(script)};
}

Output run(std::vector<std::string> argv, std::string input = {}) {
  return test::run_async(run_command(std::move(argv), kEnv, std::move(input)));
}

bool is_running(pid_t pid) {
  const std::filesystem::path status = "/proc/" + std::to_string(pid) + "/stat";
  try {
    return read_file(status, 4096).find(") Z ") == std::string::npos;  // a zombie has ended
  } catch (const Error&) {
    return false;
  }
}

bool ends_soon(pid_t pid) {
  for (int i = 0; i < 200 && is_running(pid); ++i)
    std::this_thread::sleep_for(10ms);
  return !is_running(pid);
}

TEST(RunCommand, GivesTheExitCode) {
  EXPECT_TRUE(run({"true"}).status.ok());
  EXPECT_EQ(run(shell("exit 7")).status.code, 7);
  EXPECT_EQ(run(shell("exit 7")).status.signal, 0);
}

TEST(RunCommand, GivesTheSignal) {
  const ExitStatus status = run(shell("kill -TERM $$")).status;
  EXPECT_EQ(status.signal, SIGTERM);
  EXPECT_FALSE(status.ok());
}

TEST(RunCommand, BothStreamsOfManyBytesArriveWhole) {
  const Output output = run(
      shell("head -c 900000 /dev/zero | tr '\\0' o; head -c 900000 /dev/zero | tr '\\0' e >&2"));
  EXPECT_EQ(output.out, std::string(900'000, 'o'));
  EXPECT_EQ(output.err, std::string(900'000, 'e'));
}

TEST(RunCommand, OutputIsCutAtOneMebibyteAndTheCommandEnds) {
  const Output output = run(shell("head -c 3000000 /dev/zero | tr '\\0' o"));
  EXPECT_EQ(output.out.size(), 1024U * 1024U);
  EXPECT_TRUE(output.status.ok());
}

TEST(RunCommand, InputGoesInWhileOutputComesOut) {
  const std::string text(700'000, 'x');
  EXPECT_EQ(run({"cat"}, text).out, text);
}

TEST(RunCommand, ACommandNeedNotReadItsInput) {
  EXPECT_TRUE(run({"true"}, std::string(700'000, 'x')).status.ok());
}

TEST(RunCommand, TheEnvironmentIsExactlyWhatWasGiven) {
  EXPECT_EQ(test::run_async(run_command({"/usr/bin/env"}, {"A=1", "B=two words"}, "")).out,
            "A=1\nB=two words\n");
}

TEST(RunCommand, AMissingProgramIsNotFoundByItsName) {
  try {
    run({"kiln-no-such-program"});
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_found);
    EXPECT_THAT(error.what(), testing::HasSubstr("kiln-no-such-program"));
  }
}

TEST(RunCommand, WhatACommandLeavesBehindEndsWithIt) {
  const auto start = std::chrono::steady_clock::now();
  const Output output = run(shell("sleep 60 & echo $!"));  // holds the pipes open
  EXPECT_LT(std::chrono::steady_clock::now() - start, 20s);
  EXPECT_TRUE(output.status.ok());
  EXPECT_TRUE(ends_soon(std::stoi(output.out)));
}

SpawnSpec spec(std::vector<std::string> argv) {
  SpawnSpec result;
  result.argv = std::move(argv);
  result.env = kEnv;
  return result;
}

asio::awaitable<pid_t> spawn_and_drop() {
  const Process process = Process::spawn(co_await asio::this_coro::executor, spec({"sleep", "60"}));
  EXPECT_TRUE(is_running(process.pid()));
  co_return process.pid();
}

TEST(Process, TheDestructorKillsAndReaps) {
  const pid_t pid = test::run_async(spawn_and_drop());
  EXPECT_EQ(::kill(pid, 0), -1) << "not even a zombie is left";
}

asio::awaitable<pid_t> drop_a_group(std::filesystem::path pid_file) {
  const Process process =
      Process::spawn(co_await asio::this_coro::executor,
                     spec(shell("sleep 60 & echo $! > " + pid_file.string() + ".new; mv " +
                                pid_file.string() + ".new " + pid_file.string() + "; wait")));
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (!std::filesystem::exists(pid_file)) {
    timer.expires_after(5ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return static_cast<pid_t>(std::stoi(read_file(pid_file, 100)));
}

TEST(Process, TheDestructorKillsTheWholeGroup) {
  const TempDir scratch(std::filesystem::temp_directory_path(), "kiln-process-test");
  EXPECT_TRUE(ends_soon(test::run_async(drop_a_group(scratch.path() / "pid"))));
}

asio::awaitable<void> assign_over() {
  const auto executor = co_await asio::this_coro::executor;
  Process process = Process::spawn(executor, spec({"sleep", "60"}));
  const pid_t first = process.pid();
  process = Process::spawn(executor, spec({"sleep", "60"}));
  EXPECT_EQ(::kill(first, 0), -1);
  EXPECT_TRUE(is_running(process.pid()));
}

TEST(Process, AssigningOverARunningOneEndsIt) {
  test::run_async(assign_over());
}

asio::awaitable<ExitStatus> cancel_then_wait() {
  const auto executor = co_await asio::this_coro::executor;
  Process process = Process::spawn(executor, spec({"sleep", "60"}));
  asio::steady_timer timer(executor, 20ms);
  co_await (process.wait() || timer.async_wait(asio::use_awaitable));
  EXPECT_TRUE(is_running(process.pid()));
  process.kill(SIGKILL);
  co_return co_await process.wait();
}

TEST(Process, ACancelledWaiterLeavesTheChildRunning) {
  EXPECT_EQ(test::run_async(cancel_then_wait()).signal, SIGKILL);
}

asio::awaitable<ExitStatus> give_crossed_descriptors(std::filesystem::path out) {
  const Fd first = open_file(out / "first", O_RDWR | O_CREAT);
  const Fd second = open_file(out / "second", O_RDWR | O_CREAT);
  SpawnSpec crossed = spec(shell("echo one >&" + std::to_string(second.get()) + "; echo two >&" +
                                 std::to_string(first.get())));
  crossed.more_fds = {{first.get(), second.get()}, {second.get(), first.get()}};
  Process process = Process::spawn(co_await asio::this_coro::executor, crossed);
  co_return co_await process.wait();
}

TEST(Process, DescriptorsMayTakeEachOthersNumbers) {
  const TempDir scratch(std::filesystem::temp_directory_path(), "kiln-process-test");
  EXPECT_TRUE(test::run_async(give_crossed_descriptors(scratch.path())).ok());
  EXPECT_EQ(read_file(scratch.path() / "first", 100), "one\n");
  EXPECT_EQ(read_file(scratch.path() / "second", 100), "two\n");
}

TEST(Process, NoOtherDescriptorIsInherited) {
  const Fd secret = open_file("/dev/null", O_RDONLY);
  const Output output = run(shell("test -e /proc/self/fd/" + std::to_string(secret.get())));
  EXPECT_EQ(output.status.code, 1);
}

TEST(Process, SignalsHaveTheirDefaultActionInTheChild) {
  ::signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(run(shell("kill -PIPE $$")).status.signal, SIGPIPE);
}

}  // namespace
}  // namespace kiln::os
