#include "builder/solver/in_flight.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "proto/error.h"

namespace kiln::solver {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// Counts how often work began, ended and was cancelled.
struct Counts {
  int began = 0;
  int ended = 0;
};

asio::awaitable<int> work_for(std::chrono::milliseconds time,
                              std::shared_ptr<Counts> counts,
                              int value) {
  ++counts->began;
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
  ++counts->ended;
  co_return value;
}

asio::awaitable<int> fail() {
  throw Error(Errc::unavailable, "no luck");
  co_return 0;
}

struct InFlightTest : testing::Test {
  asio::awaitable<void> ask(std::string key, int value, int& got) {
    const auto work = [counts = counts, value] { return work_for(20ms, counts, value); };
    got = co_await table.run(std::move(key), work);
  }
  asio::awaitable<void> drain() { co_await table.drain(); }
  void run() {
    io.run();
    io.restart();
    asio::co_spawn(io, drain(), [](std::exception_ptr) {});
    io.run();
  }

  asio::io_context io{1};
  InFlight<int> table{io.get_executor()};
  std::shared_ptr<Counts> counts = std::make_shared<Counts>();
};

TEST_F(InFlightTest, RunsTheSameKeyOnceForAllWhoAsk) {
  int first = 0;
  int second = 0;
  int other = 0;
  asio::co_spawn(io, ask("key", 1, first), [](std::exception_ptr) {});
  asio::co_spawn(io, ask("key", 2, second), [](std::exception_ptr) {});
  asio::co_spawn(io, ask("other", 3, other), [](std::exception_ptr) {});
  run();
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
  EXPECT_EQ(other, 3);
  EXPECT_EQ(counts->began, 2);
}

TEST_F(InFlightTest, RunsAgainForWhoAsksAfterTheEnd) {
  int first = 0;
  int second = 0;
  asio::co_spawn(io, ask("key", 1, first), [](std::exception_ptr) {});
  io.run();
  io.restart();
  asio::co_spawn(io, ask("key", 2, second), [](std::exception_ptr) {});
  run();
  EXPECT_EQ(second, 2);
  EXPECT_EQ(counts->began, 2);
}

TEST_F(InFlightTest, GoesOnAsLongAsOneStillWaits) {
  int first = 0;
  int second = 0;
  asio::cancellation_signal leave;
  asio::co_spawn(io, ask("key", 1, first),
                 asio::bind_cancellation_slot(leave.slot(), [](std::exception_ptr) {}));
  asio::co_spawn(io, ask("key", 2, second), [](std::exception_ptr) {});
  io.run_for(5ms);
  leave.emit(asio::cancellation_type::terminal);
  run();
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
  EXPECT_EQ(counts->ended, 1);
}

TEST_F(InFlightTest, StopsWhenTheLastWaiterHasGone) {
  int got = 0;
  asio::cancellation_signal leave;
  asio::co_spawn(io, ask("key", 1, got),
                 asio::bind_cancellation_slot(leave.slot(), [](std::exception_ptr) {}));
  io.run_for(5ms);
  leave.emit(asio::cancellation_type::terminal);
  run();
  EXPECT_EQ(counts->began, 1);
  EXPECT_EQ(counts->ended, 0);
}

TEST_F(InFlightTest, TellsEveryWaiterOfAFailure) {
  int failures = 0;
  const auto count = [&failures](std::exception_ptr failure, int) { failures += failure ? 1 : 0; };
  asio::co_spawn(io, table.run("key", fail), count);
  asio::co_spawn(io, table.run("key", fail), count);
  run();
  EXPECT_EQ(failures, 2);
}

}  // namespace
}  // namespace kiln::solver
