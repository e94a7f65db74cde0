#include "daemon/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/this_coro.hpp>

#include "builder/os/file.h"
#include "tests/support/run_async.h"

namespace kiln::daemon {
namespace {

using boost::asio::awaitable;
using testing::ElementsAre;

std::vector<BuildEvent> parse(const std::string& lines) {
  std::vector<BuildEvent> events;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = lines.find('\n', at);
    events.push_back(from_json<BuildEvent>(lines.substr(at, end - at)));
    at = end + 1;
  }
  return events;
}

/// What a client gets that reads only after everything was pushed.
awaitable<std::string> drain(EventQueue& queue) {
  std::string all;
  while (true) {
    const std::string piece = co_await queue.pop();
    if (piece.empty()) co_return all;
    all += piece;
  }
}

awaitable<std::string> push_all(std::vector<BuildEvent> events, EventQueue::Limits limits) {
  EventQueue queue(co_await boost::asio::this_coro::executor, limits);
  for (BuildEvent& event : events)
    queue.push(std::move(event));
  queue.finish(Finished{"b1", "", "", {}, {}});
  co_return co_await drain(queue);
}

std::string logs(const std::vector<BuildEvent>& events) {
  std::string text;
  for (const BuildEvent& event : events) {
    if (const auto* log = std::get_if<StepLog>(&event)) text += log->text;
  }
  return text;
}

TEST(EventQueue, JoinsOutputThatNobodyReadYet) {
  const auto events = parse(test::run_async(push_all(
      {StepLog{1, 1, "a"}, StepLog{1, 1, "b"}, StepLog{1, 2, "c"}, StepLog{1, 1, "d"}}, {})));
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(std::get<StepLog>(events[0]).text, "ab");
  EXPECT_EQ(std::get<StepLog>(events[1]).stream, 2);
  EXPECT_EQ(std::get<StepLog>(events[2]).text, "d");
}

TEST(EventQueue, KeepsTheOrderOfOutputAndOtherEvents) {
  const auto events = parse(test::run_async(
      push_all({StepStarted{1, "x"}, StepLog{1, 1, "a"}, StepEnded{1, StepOutcome::done, 1}}, {})));
  ASSERT_EQ(events.size(), 4U);
  EXPECT_TRUE(std::holds_alternative<StepStarted>(events[0]));
  EXPECT_TRUE(std::holds_alternative<StepLog>(events[1]));
  EXPECT_TRUE(std::holds_alternative<StepEnded>(events[2]));
  EXPECT_TRUE(std::holds_alternative<Finished>(events[3]));
}

TEST(EventQueue, NeverCutsACharacterInTwo) {
  const std::string text = "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\xa5\n";
  std::vector<BuildEvent> pieces;
  for (const char letter : text) {
    pieces.push_back(StepLog{1, 1, std::string(1, letter)});
    pieces.push_back(Warning{"between"});  // so that nothing is joined afterwards
  }
  EXPECT_EQ(logs(parse(test::run_async(push_all(pieces, {})))), text);
}

TEST(EventQueue, SendsAnUnfinishedCharacterBeforeTheStepsEnd) {
  const auto events = parse(
      test::run_async(push_all({StepLog{1, 1, "a\xc3"}, StepEnded{1, StepOutcome::done, 1}}, {})));
  EXPECT_EQ(logs(events), "a\xef\xbf\xbd");
  EXPECT_TRUE(std::holds_alternative<StepEnded>(events[events.size() - 2]));
}

TEST(EventQueue, KeepsOrderAndEveryByteThroughTheFile) {
  const os::TempDir directory(std::filesystem::temp_directory_path(), "events_test");
  EventQueue::Limits limits;
  limits.memory_bytes = 4096;
  limits.spill_directory = directory.path();
  std::vector<BuildEvent> pieces;
  std::string expected;
  for (int line = 0; line < 5000; ++line) {
    pieces.push_back(StepLog{line % 3, 1, fmt::format("line {}\n", line)});
    expected += fmt::format("line {}\n", line);
  }
  EXPECT_EQ(logs(parse(test::run_async(push_all(pieces, limits)))), expected);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path())) << "the file has no name";
}

TEST(EventQueue, DropsOnlyProgressThatIsOutdatedWhenTheClientIsSlow) {
  EventQueue::Limits limits;
  limits.memory_bytes = 1;
  const auto events = parse(
      test::run_async(push_all({Warning{"x"}, StepProgress{1, "layer", 0, 9},
                                StepProgress{1, "layer", 5, 9}, StepProgress{1, "layer", 9, 9}},
                               limits)));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(std::get<StepProgress>(events[1]).current_bytes, 9U);
}

awaitable<void> overflow(EventQueue::Limits limits, std::string& rest, bool& cut) {
  EventQueue queue(co_await boost::asio::this_coro::executor, limits);
  for (int count = 0; count < 100; ++count) {
    queue.push(Warning{std::string(100, 'x')});
  }
  cut = queue.cut_off().is_set();
  queue.finish(Finished{});
  rest = co_await drain(queue);
}

TEST(EventQueue, CutsOffAClientOverTheLimitWithAnError) {
  EventQueue::Limits limits;
  limits.memory_bytes = 1000;
  limits.spill_bytes = 2000;
  std::string rest;
  bool cut = false;
  test::run_async(overflow(limits, rest, cut));
  EXPECT_TRUE(cut);
  const auto events = parse(rest);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(std::get<Failed>(events[0]).code, Errc::unavailable);
  EXPECT_THAT(std::get<Failed>(events[0]).message, testing::HasSubstr("reads too slowly"));
}

TEST(EventQueue, CutsOffWhenTheBacklogCannotBeWritten) {
  EventQueue::Limits limits;
  limits.memory_bytes = 10;
  limits.spill_directory = "/does/not/exist";
  std::string rest;
  bool cut = false;
  test::run_async(overflow(limits, rest, cut));
  EXPECT_TRUE(cut);
  EXPECT_THAT(rest, testing::HasSubstr("/does/not/exist"));
}

awaitable<std::vector<std::string>> abandoned() {
  EventQueue queue(co_await boost::asio::this_coro::executor, {});
  queue.push(Warning{"a"});
  queue.abandon();
  queue.push(Warning{"b"});
  queue.finish(Finished{});
  co_return std::vector{co_await queue.pop()};
}

TEST(EventQueue, GivesNothingAfterItWasAbandoned) {
  EXPECT_THAT(test::run_async(abandoned()), ElementsAre(""));
}

}  // namespace
}  // namespace kiln::daemon
