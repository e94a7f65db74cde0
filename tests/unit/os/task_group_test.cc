#include "builder/os/task_group.h"

#include <gmock/gmock.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "proto/error.h"
#include "tests/support/run_async.h"

namespace kiln::os {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr auto kForever = std::chrono::hours(1);

/// Everything the tasks of a test did, in order.
using Journal = std::vector<std::string>;

asio::awaitable<void> sleep_for(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> fail_after(std::chrono::milliseconds time, std::string why) {
  co_await sleep_for(time);
  throw Error(Errc::corrupt, "{}", why);
}

/// Notes its end, however it comes.
asio::awaitable<void> note_end(Journal& journal, std::string name, std::chrono::milliseconds time) {
  try {
    co_await sleep_for(time);
    journal.push_back(name + " done");
  } catch (const boost::system::system_error&) {
    journal.push_back(name + " cancelled");
    throw;
  }
}

/// Takes a while to stop after it was cancelled.
asio::awaitable<void> stop_slowly(Journal& journal, std::string name) {
  co_await asio::this_coro::throw_if_cancelled(false);
  boost::system::error_code ignored;
  asio::steady_timer timer(co_await asio::this_coro::executor, kForever);
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_await asio::this_coro::reset_cancellation_state();
  co_await sleep_for(30ms);
  journal.push_back(name + " stopped");
}

template <class... Tasks>
asio::awaitable<void> all(Tasks... tasks) {
  std::vector<asio::awaitable<void>> list;
  (list.push_back(std::move(tasks)), ...);
  return all_of(std::move(list));
}

/// Runs `task` and cancels it after `time`. Returns what it threw.
std::exception_ptr run_and_cancel(asio::awaitable<void> task, std::chrono::milliseconds time) {
  asio::io_context io{1};
  asio::cancellation_signal signal;
  std::exception_ptr result;
  asio::co_spawn(io, std::move(task),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](std::exception_ptr error) { result = std::move(error); }));
  asio::steady_timer timer(io, time);
  timer.async_wait(
      [&](boost::system::error_code) { signal.emit(asio::cancellation_type::terminal); });
  io.run();
  return result;
}

std::string what(const std::exception_ptr& error) {
  if (!error) return "nothing";
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& system) {
    return system.code() == asio::error::operation_aborted ? "aborted" : system.what();
  } catch (const std::exception& other) {
    return other.what();
  }
}

template <class Function>
std::string thrown_by(Function function) {
  try {
    function();
    return "nothing";
  } catch (const std::exception&) {
    return what(std::current_exception());
  }
}

TEST(AllOf, RunsTasksSideBySide) {
  Journal journal;
  test::run_async(all(note_end(journal, "slow", 40ms), note_end(journal, "quick", 5ms)));
  EXPECT_THAT(journal, ElementsAre("quick done", "slow done"));
}

TEST(AllOf, OfNothingIsDone) {
  test::run_async(all_of({}));
}

TEST(AllOf, TheFirstFailureCancelsTheOthersAndIsThrown) {
  Journal journal;
  EXPECT_EQ(thrown_by([&] {
              test::run_async(all(note_end(journal, "a", kForever), fail_after(5ms, "broken"),
                                  fail_after(kForever, "late"), note_end(journal, "b", kForever)));
            }),
            "broken");
  EXPECT_THAT(journal, testing::UnorderedElementsAre("a cancelled", "b cancelled"));
}

TEST(AllOf, WaitsForTheOthersToEndBeforeItThrows) {
  Journal journal;
  EXPECT_EQ(thrown_by([&] {
              test::run_async(all(fail_after(5ms, "broken"), stop_slowly(journal, "a")));
            }),
            "broken");
  EXPECT_THAT(journal, ElementsAre("a stopped"));
}

TEST(AllOf, AFailureBeforeTheOthersStartedCancelsThem) {
  Journal journal;
  EXPECT_EQ(thrown_by([&] {
              test::run_async(all(fail_after(0ms, "at once"), note_end(journal, "a", kForever)));
            }),
            "at once");
}

TEST(AllOf, ACancelledWaiterCancelsAllAndWaits) {
  Journal journal;
  EXPECT_EQ(
      what(run_and_cancel(all(note_end(journal, "a", kForever), stop_slowly(journal, "b")), 10ms)),
      "aborted");
  EXPECT_THAT(journal, ElementsAre("a cancelled", "b stopped"));
}

TEST(AllOf, OfOneTaskIsThatTask) {
  Journal journal;
  EXPECT_EQ(what(run_and_cancel(all(note_end(journal, "a", kForever)), 10ms)), "aborted");
  EXPECT_THAT(journal, ElementsAre("a cancelled"));
}

asio::awaitable<void> spawn_and_join(Journal& journal, bool with_failures) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(note_end(journal, "a", 20ms));
  if (with_failures) {
    group.spawn(fail_after(5ms, "first"));
    group.spawn(fail_after(10ms, "second"));
  }
  EXPECT_EQ(group.running(), with_failures ? 3U : 1U);
  co_await group.join();
}

TEST(TaskGroup, JoinWaitsForAllAndThrowsTheFirstFailure) {
  Journal journal;
  EXPECT_EQ(thrown_by([&] { test::run_async(spawn_and_join(journal, true)); }), "first");
  EXPECT_THAT(journal, ElementsAre("a done")) << "a failure cancels nobody in a group";
  EXPECT_EQ(thrown_by([&] { test::run_async(spawn_and_join(journal, false)); }), "nothing");
}

asio::awaitable<void> cancel_and_join(Journal& journal) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(note_end(journal, "a", kForever));
  group.spawn(stop_slowly(journal, "b"));
  co_await sleep_for(5ms);
  group.cancel();
  try {
    co_await group.join();
  } catch (const boost::system::system_error&) {
    journal.emplace_back("joined");
  }
  EXPECT_EQ(group.running(), 0U);
}

TEST(TaskGroup, CancelReachesEveryTask) {
  Journal journal;
  test::run_async(cancel_and_join(journal));
  EXPECT_THAT(journal, ElementsAre("a cancelled", "b stopped", "joined"));
}

asio::awaitable<void> cancel_unstarted(Journal& journal) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(note_end(journal, "a", kForever));
  group.cancel();
  try {
    co_await group.join();
  } catch (const boost::system::system_error&) {
    journal.emplace_back("joined");
  }
}

TEST(TaskGroup, ATaskThatWasCancelledBeforeItStartedEnds) {
  Journal journal;
  test::run_async(cancel_unstarted(journal));
  EXPECT_EQ(journal.back(), "joined");
}

asio::awaitable<void> join_long(Journal& journal) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(note_end(journal, "a", kForever));
  group.spawn(stop_slowly(journal, "b"));
  co_await group.join();
}

TEST(TaskGroup, ACancelledJoinCancelsTheTasksAndStillWaits) {
  Journal journal;
  EXPECT_EQ(what(run_and_cancel(join_long(journal), 10ms)), "aborted");
  EXPECT_THAT(journal, ElementsAre("a cancelled", "b stopped"));
}

asio::awaitable<void> wait_for(Event& event, Journal& journal, std::string name) {
  co_await event.wait();
  journal.push_back(std::move(name));
}

asio::awaitable<void> set_event(Journal& journal) {
  Event event(co_await asio::this_coro::executor);
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(wait_for(event, journal, "a"));
  group.spawn(wait_for(event, journal, "b"));
  co_await sleep_for(5ms);
  EXPECT_TRUE(journal.empty());
  event.set();
  co_await group.join();
  co_await event.wait();  // afterwards it is simply so
}

TEST(Event, WakesAllThatWait) {
  Journal journal;
  test::run_async(set_event(journal));
  EXPECT_THAT(journal, testing::UnorderedElementsAre("a", "b"));
}

asio::awaitable<void> hold(Limiter& limiter,
                           Journal& journal,
                           std::string name,
                           std::chrono::milliseconds time) {
  const Limiter::Slot slot = co_await limiter.acquire();
  journal.push_back(name + " in");
  co_await sleep_for(time);
  journal.push_back(name + " out");
}

asio::awaitable<void> queue_up(Journal& journal) {
  Limiter limiter(co_await asio::this_coro::executor, 1);
  co_await all(hold(limiter, journal, "a", 10ms), hold(limiter, journal, "b", 1ms),
               hold(limiter, journal, "c", 1ms));
}

TEST(Limiter, IsFirstComeFirstServed) {
  Journal journal;
  test::run_async(queue_up(journal));
  EXPECT_THAT(journal, ElementsAre("a in", "a out", "b in", "b out", "c in", "c out"));
}

asio::awaitable<void> hold_for(Limiter& limiter,
                               Journal& journal,
                               std::string name,
                               Limiter::Party party) {
  const Limiter::Slot slot = co_await limiter.acquire(party);
  journal.push_back(name);
  co_await sleep_for(5ms);
}

asio::awaitable<void> crowd_and_guest(Journal& journal) {
  Limiter limiter(co_await asio::this_coro::executor, 2);
  const int crowd = 0;
  const int guest = 0;
  std::vector<asio::awaitable<void>> tasks;
  for (int i = 0; i < 6; ++i)
    tasks.push_back(hold_for(limiter, journal, "crowd", &crowd));
  tasks.push_back(hold_for(limiter, journal, "guest", &guest));
  co_await all_of(std::move(tasks));
}

TEST(Limiter, AFreePlaceGoesToWhoHoldsTheFewest) {
  Journal journal;
  test::run_async(crowd_and_guest(journal));
  EXPECT_THAT(journal, ElementsAre("crowd", "crowd", "guest", "crowd", "crowd", "crowd", "crowd"));
}

asio::awaitable<void> never_over(Limiter& limiter, int& now, int& most) {
  const Limiter::Slot slot = co_await limiter.acquire();
  most = std::max(most, ++now);
  co_await sleep_for(1ms);
  --now;
}

asio::awaitable<int> most_at_once() {
  Limiter limiter(co_await asio::this_coro::executor, 3);
  int now = 0;
  int most = 0;
  std::vector<asio::awaitable<void>> tasks;
  for (int i = 0; i < 20; ++i)
    tasks.push_back(never_over(limiter, now, most));
  co_await all_of(std::move(tasks));
  co_return most;
}

TEST(Limiter, NeverLetsMoreInThanItsLimit) {
  EXPECT_EQ(test::run_async(most_at_once()), 3);
}

asio::awaitable<void> cancel_in_queue(Journal& journal) {
  using asio::experimental::awaitable_operators::operator||;
  Limiter limiter(co_await asio::this_coro::executor, 1);
  auto first = std::make_optional(co_await limiter.acquire());
  co_await (hold(limiter, journal, "impatient", 1ms) || sleep_for(5ms));
  TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(hold(limiter, journal, "next", 1ms));
  co_await sleep_for(5ms);
  first.reset();
  co_await group.join();
  co_await hold(limiter, journal, "last", 1ms);
}

TEST(Limiter, WhoIsCancelledInTheQueueLosesThePlaceToNobody) {
  Journal journal;
  test::run_async(cancel_in_queue(journal));
  EXPECT_THAT(journal, ElementsAre("next in", "next out", "last in", "last out"));
}

asio::awaitable<void> cancel_while_handed_over(Journal& journal) {
  const auto executor = co_await asio::this_coro::executor;
  Limiter limiter(executor, 1);
  auto first = std::make_optional(co_await limiter.acquire());
  TaskGroup unlucky(executor);
  TaskGroup next(executor);
  unlucky.spawn(hold(limiter, journal, "unlucky", kForever));
  next.spawn(hold(limiter, journal, "next", 1ms));
  co_await sleep_for(5ms);
  first.reset();     // hands the place to the unlucky one ...
  unlucky.cancel();  // ... which is cancelled in the same turn
  co_await next.join();
  try {
    co_await unlucky.join();
  } catch (const boost::system::system_error&) {
    journal.emplace_back("unlucky gave up");
  }
}

TEST(Limiter, APlaceHandedToACancelledWaiterIsPassedOn) {
  Journal journal;
  test::run_async(cancel_while_handed_over(journal));
  EXPECT_THAT(journal, testing::IsSupersetOf({"next in", "next out", "unlucky gave up"}));
}

}  // namespace
}  // namespace kiln::os
