#include "daemon/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "builder/build.h"
#include "tests/unit/daemon/client.h"

namespace kiln::daemon {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using test::Answer;
using test::Client;
using test::eventually;
using test::post;
using testing::EndsWith;
using testing::HasSubstr;

awaitable<void> sleep(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

awaitable<Finished> two_logs(EventSink events) {
  events(StepStarted{1, "RUN x"});
  events(StepLog{1, 1, "one\n"});
  co_await sleep(std::chrono::milliseconds{20});
  events(StepLog{1, 1, "two\n"});
  events(StepEnded{1, StepOutcome::done, 5});
  co_return Finished{"b1", "", "", {}, {}};
}

awaitable<Finished> fail_step(EventSink) {
  throw StepError("RUN false: exit code 7", 3, 7, {"last line"});
  co_return Finished{};
}

awaitable<Finished> fail_strangely(EventSink) {
  throw std::runtime_error("strange");
  co_return Finished{};
}

/// Emits `total` bytes of output as fast as it can, giving way now and then.
awaitable<Finished> chatter(EventSink events, std::size_t total, std::atomic<bool>& cancelled) {
  try {
    for (std::size_t line = 0; line < total / 64; ++line) {
      events(StepLog{1, 1, fmt::format("{:063}\n", line)});
      if (line % 1024 == 0) co_await sleep(std::chrono::milliseconds{0});
    }
  } catch (const boost::system::system_error&) {
    cancelled = true;
    throw;
  }
  co_return Finished{"b2", "", "", {}, {}};
}

/// Waits to be cancelled and says whether it was.
awaitable<Finished> wait_forever(EventSink events,
                                 std::atomic<bool>& started,
                                 std::atomic<bool>& cancelled) {
  events(StepStarted{1, "RUN sleep"});
  started = true;
  try {
    co_await sleep(std::chrono::hours{1});
  } catch (const boost::system::system_error&) {
    cancelled = true;
    throw;
  }
  co_return Finished{};
}

StreamHandler always(awaitable<Finished> (*job)(EventSink)) {
  return [job](const Request&) -> Job { return job; };
}

class SessionTest : public testing::Test {
 protected:
  SessionTest() {
    routes_.add("POST", "/two", always(two_logs));
    routes_.add("POST", "/step", always(fail_step));
    routes_.add("POST", "/strange", always(fail_strangely));
    routes_.add("POST", "/refuse", StreamHandler([](const Request&) -> Job {
                  throw Error(Errc::invalid_input, "bad body");
                }));
    routes_.add("POST", "/chatter", StreamHandler([this](const Request& request) -> Job {
                  return [this, total = std::stoul(request.body)](EventSink events) {
                    return chatter(std::move(events), total, cancelled_);
                  };
                }));
    routes_.add("POST", "/wait", StreamHandler([this](const Request&) -> Job {
                  return [this](EventSink events) {
                    return wait_forever(std::move(events), started_, cancelled_);
                  };
                }));
  }
  Answer ask(std::string_view path) {
    Client client = server().connect();
    client.send(post(path, ""));
    return client.receive();
  }
  test::TestServer& server(EventQueue::Limits limits = {}) {
    if (!server_) server_.emplace(routes_, limits);
    return *server_;
  }

  Routes routes_;
  std::atomic<bool> started_ = false;
  std::atomic<bool> cancelled_ = false;
  std::optional<test::TestServer> server_;
};

TEST_F(SessionTest, StreamsEventsAsLinesAndKeepsTheConnection) {
  Client client = server().connect();
  client.send(post("/two", ""));
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.head, HasSubstr("Content-Type: application/x-ndjson\r\n"));
  EXPECT_EQ(answer.body,
            "{\"event\":\"step_started\",\"step\":1,\"name\":\"RUN x\"}\n"
            "{\"event\":\"step_log\",\"step\":1,\"stream\":1,\"text\":\"one\\n\"}\n"
            "{\"event\":\"step_log\",\"step\":1,\"stream\":1,\"text\":\"two\\n\"}\n"
            "{\"event\":\"step_ended\",\"step\":1,\"outcome\":\"done\",\"duration_ms\":5}\n"
            "{\"event\":\"finished\",\"build_id\":\"b1\"}\n");
  client.send(post("/two", ""));
  EXPECT_THAT(client.receive().body, HasSubstr("finished"));
}

TEST_F(SessionTest, SendsEventsWhenTheyHappen) {
  Client client = server().connect();
  client.send(post("/wait", ""));
  EXPECT_THAT(client.receive_until("step_started"), HasSubstr("RUN sleep"));
}

TEST_F(SessionTest, TellsAFailedStepWithItsExitCodeAndLastLines) {
  const Answer answer = ask("/step");
  EXPECT_EQ(answer.status, 200);
  const auto failed = std::get<Failed>(from_json<BuildEvent>(answer.body));
  EXPECT_EQ(failed.code, Errc::step_failed);
  EXPECT_EQ(failed.message, "RUN false: exit code 7");
  EXPECT_EQ(failed.step, 3);
  EXPECT_EQ(failed.exit_code, 7);
  EXPECT_THAT(failed.log_tail, testing::ElementsAre("last line"));
}

TEST_F(SessionTest, TellsAnUnknownExceptionAsInternal) {
  const auto failed = std::get<Failed>(from_json<BuildEvent>(ask("/strange").body));
  EXPECT_EQ(failed.code, Errc::internal);
  EXPECT_EQ(failed.message, "strange");
}

TEST_F(SessionTest, RefusesABadRequestBeforeTheStreamBegins) {
  const Answer answer = ask("/refuse");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(from_json<ErrorReply>(answer.body).message, "bad body");
}

TEST_F(SessionTest, CancelsTheJobOfAClientThatHangsUp) {
  Client client = server().connect();
  client.send(post("/wait", ""));
  ASSERT_TRUE(eventually([&] { return started_.load(); }));
  EXPECT_FALSE(cancelled_);
  client.close();
  EXPECT_TRUE(eventually([&] { return cancelled_.load(); }));
}

TEST_F(SessionTest, AnswersAClientThatOnlyStoppedSending) {
  Client client = server().connect();
  client.send(post("/two", ""));
  client.shut_down_sending();
  EXPECT_THAT(client.receive().body, HasSubstr("finished"));
}

TEST_F(SessionTest, StreamsWithoutChunksToHttp10) {
  Client client = server().connect();
  client.send("POST /two HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
  const Answer head = client.receive();
  EXPECT_EQ(head.head.find("chunked"), std::string::npos);
  EXPECT_THAT(client.receive_until("b1\"}\n"), EndsWith("b1\"}\n"));
}

TEST_F(SessionTest, KeepsEveryLineForAClientThatReadsLate) {
  constexpr std::size_t kTotal = 1024 * 1024;
  EventQueue::Limits limits;
  limits.memory_bytes = 64 * 1024;
  Client client = server(limits).connect();
  client.send(post("/chatter", std::to_string(kTotal)));
  std::this_thread::sleep_for(std::chrono::milliseconds{300});
  const Answer answer = client.receive();
  ASSERT_TRUE(answer.complete);
  std::string text;
  for (std::size_t at = 0; at < answer.body.size();) {
    const std::size_t end = answer.body.find('\n', at);
    const auto event = from_json<BuildEvent>(answer.body.substr(at, end - at));
    if (const auto* log = std::get_if<StepLog>(&event)) text += log->text;
    at = end + 1;
  }
  ASSERT_EQ(text.size(), kTotal);
  for (std::size_t line = 0; line < kTotal / 64; ++line)
    ASSERT_EQ(text.substr(line * 64, 64), fmt::format("{:063}\n", line));
}

TEST_F(SessionTest, CutsOffAClientThatReadsNothingAndEndsItsJob) {
  EventQueue::Limits limits;
  limits.memory_bytes = 64 * 1024;
  limits.spill_bytes = 1024 * 1024;
  Client client = server(limits).connect();
  client.send(post("/chatter", "10000000000"));
  // Not reading is all it takes: the job ends, and after a last chance of 2 s the connection.
  ASSERT_TRUE(eventually([&] { return cancelled_.load(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds{3500});
  const Answer answer = client.receive();
  EXPECT_FALSE(answer.complete);
}

TEST_F(SessionTest, DrainLetsARunningStreamEnd) {
  Client client = server().connect();
  client.send(post("/two", ""));
  client.receive_until("one");
  server().drain(std::chrono::milliseconds{5000});
  const Answer answer = client.receive();
  EXPECT_TRUE(answer.complete);
  EXPECT_THAT(answer.body, HasSubstr("finished"));
  EXPECT_TRUE(client.at_end());
}

TEST_F(SessionTest, DrainClosesIdleConnectionsAtOnce) {
  Client fresh = server().connect();
  Client used = server().connect();
  used.send(post("/two", ""));
  EXPECT_TRUE(used.receive().complete);
  const auto start = std::chrono::steady_clock::now();
  server().drain(std::chrono::milliseconds{5000});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{2});
  EXPECT_TRUE(fresh.at_end());
  EXPECT_TRUE(used.at_end());
}

TEST_F(SessionTest, DrainCancelsWhatOutlastsTheGraceAndSaysSo) {
  Client client = server().connect();
  client.send(post("/wait", ""));
  client.receive_until("step_started");
  server().drain(std::chrono::milliseconds{50});
  EXPECT_TRUE(cancelled_);
  const Answer answer = client.receive();
  EXPECT_TRUE(answer.complete);
  EXPECT_THAT(answer.body,
              HasSubstr(R"("code":"cancelled","message":"cancelled: the daemon is stopping")"));
}

}  // namespace
}  // namespace kiln::daemon
