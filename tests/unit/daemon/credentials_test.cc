#include "daemon/credentials.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "builder/os/task_group.h"
#include "proto/error.h"

namespace kiln::daemon {
namespace {

namespace asio = boost::asio;

/// One question that was asked, with the ticket its event gave.
struct Asked {
  asio::io_context io{1};
  Tickets tickets;
  std::string ticket;
  std::future<std::optional<Credentials>> answer;

  explicit Asked(std::chrono::seconds timeout = std::chrono::seconds{60}) : tickets(timeout) {
    const EventSink events = [this](const BuildEvent& event) {
      const auto& needed = std::get<CredentialsNeeded>(event);
      EXPECT_EQ(needed.registry, "r:5000");
      ticket = needed.ticket;
    };
    answer = asio::co_spawn(io, tickets.ask(1000, "r:5000", events), asio::use_future);
    io.poll();
  }
};

TEST(Tickets, HandAnAnswerToWhoAsked) {
  Asked asked;
  EXPECT_EQ(asked.ticket.size(), 32U);
  asked.tickets.answer(asked.ticket, 1000, {"me", "secret", ""});
  asked.io.run();
  const auto credentials = asked.answer.get();
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->username, "me");
  EXPECT_EQ(credentials->password, "secret");
}

TEST(Tickets, TakeEmptyCredentialsAsNone) {
  Asked asked;
  asked.tickets.answer(asked.ticket, 1000, {});
  asked.io.run();
  EXPECT_FALSE(asked.answer.get());
}

TEST(Tickets, TakeOneAnswer) {
  Asked asked;
  asked.tickets.answer(asked.ticket, 1000, {"me", "first", ""});
  EXPECT_THROW(asked.tickets.answer(asked.ticket, 1000, {"me", "second", ""}), Error);
  asked.io.run();
  EXPECT_EQ(asked.answer.get()->password, "first");
}

TEST(Tickets, RefuseAnotherUsersAnswerAndStayOpen) {
  Asked asked;
  for (const uid_t other : {0U, 1001U}) {
    try {
      asked.tickets.answer(asked.ticket, other, {"mallory", "x", ""});
      ADD_FAILURE() << "user " << other << " answered";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::not_found);
    }
  }
  asked.tickets.answer(asked.ticket, 1000, {"me", "secret", ""});
  asked.io.run();
  EXPECT_EQ(asked.answer.get()->username, "me");
}

TEST(Tickets, EndWithATimeout) {
  Asked asked(std::chrono::seconds{0});
  asked.io.run();
  try {
    static_cast<void>(asked.answer.get());
    ADD_FAILURE() << "an answer out of nowhere";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::denied);
  }
  EXPECT_THROW(asked.tickets.answer(asked.ticket, 1000, {}), Error);
}

TEST(Tickets, DieWithACancelledQuestion) {
  asio::io_context io{1};
  Tickets tickets;
  std::string ticket;
  {
    os::TaskGroup group(io.get_executor());
    const EventSink events = [&ticket](const BuildEvent& event) {
      ticket = std::get<CredentialsNeeded>(event).ticket;
    };
    struct Ask {
      static asio::awaitable<void> run(Tickets& from, EventSink sink) {
        co_await from.ask(1, "r", std::move(sink));
      }
    };
    group.spawn(Ask::run(tickets, events));
    io.poll();
    ASSERT_FALSE(ticket.empty());
    group.cancel();
    io.restart();
    io.run();
  }
  EXPECT_THROW(tickets.answer(ticket, 1, {}), Error);
}

TEST(Tickets, AreNeverTheSame) {
  Asked one;
  Asked two;
  EXPECT_NE(one.ticket, two.ticket);
  one.tickets.answer(one.ticket, 1000, {});
  two.tickets.answer(two.ticket, 1000, {});
  one.io.run();
  two.io.run();
}

}  // namespace
}  // namespace kiln::daemon
