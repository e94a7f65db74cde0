#include "registry-client/retry.h"

#include <gtest/gtest.h>

#include "tests/support/run_async.h"

namespace kiln::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
namespace asio = boost::asio;

Pacer with_random(double value) {
  Pacer pacer;
  pacer.random = [value] { return value; };
  return pacer;
}

TEST(IsTemporary, NamesTheStatusesThatPass) {
  for (const int status : {408, 429, 500, 502, 503, 504})
    EXPECT_TRUE(is_temporary(status)) << status;
  for (const int status : {200, 301, 400, 401, 403, 404, 413, 501, 505})
    EXPECT_FALSE(is_temporary(status)) << status;
}

TEST(ParseRetryAfter, TakesSecondsAndDates) {
  const auto now = std::chrono::system_clock::from_time_t(784111777);  // 06 Nov 1994 08:49:37
  EXPECT_EQ(parse_retry_after("7", now), seconds(7));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now), seconds(30));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), seconds(0));
  EXPECT_EQ(parse_retry_after("soon", now), std::nullopt);
  EXPECT_EQ(parse_retry_after("-1", now), std::nullopt);
}

TEST(Backoff, DoublesBetweenHalfAndWholeOfTheDelay) {
  const auto low = with_random(0.0);
  const auto high = with_random(0.999999);
  Backoff shortest({}, low);
  Backoff longest({}, high);
  for (const int delay : {500, 1000, 2000, 4000}) {
    EXPECT_EQ(shortest.after(TemporaryError(503, "")), milliseconds(delay / 2));
    EXPECT_NEAR(static_cast<double>(longest.after(TemporaryError(503, ""))->count()), delay, 1.0);
  }
  EXPECT_EQ(shortest.after(TemporaryError(503, "")), std::nullopt) << "five attempts were made";
}

TEST(Backoff, WaitsAsLongAsTheServerAsks) {
  const auto pacer = with_random(0.5);
  Backoff backoff({}, pacer);
  TemporaryError error(429, "");
  error.retry_after = seconds(9);
  EXPECT_EQ(backoff.after(error), milliseconds(9000));
  error.retry_after = seconds(3600);
  EXPECT_EQ(backoff.after(error), std::nullopt) << "nobody waits for an hour";
}

TEST(Backoff, GivesUpSoonerWhenNobodyAnswers) {
  const auto pacer = with_random(0.5);
  Backoff backoff({}, pacer);
  TemporaryError error(0, "");
  error.connected = false;
  EXPECT_TRUE(backoff.after(error));
  EXPECT_TRUE(backoff.after(error));
  EXPECT_FALSE(backoff.after(error));
}

/// Fails as often as told, with what it is told.
struct Attempt {
  int failures;
  Errc code;
  int calls = 0;
  asio::awaitable<int> operator()() {
    if (++calls <= failures) {
      if (code == Errc::unavailable) throw TemporaryError(503, "GET x: 503");
      throw Error(code, "GET x: bad");
    }
    co_return calls;
  }
};

struct Outcome {
  int value = 0;
  std::string error;
  std::size_t pauses = 0;
};

asio::awaitable<void> no_pause(std::size_t& count) {
  ++count;
  co_return;
}

Outcome retry(Attempt& attempt) {
  Outcome outcome;
  auto pacer = with_random(0.5);
  pacer.sleep = [&](milliseconds) { return no_pause(outcome.pauses); };
  try {
    outcome.value = test::run_async(with_retries(RetryPolicy{}, pacer, attempt));
  } catch (const Error& error) {
    outcome.error = error.what();
  }
  return outcome;
}

TEST(WithRetries, ReturnsTheFirstSuccess) {
  Attempt attempt{2, Errc::unavailable};
  const auto outcome = retry(attempt);
  EXPECT_EQ(outcome.value, 3);
  EXPECT_EQ(outcome.pauses, 2U);
}

TEST(WithRetries, SaysHowOftenItTried) {
  Attempt attempt{100, Errc::unavailable};
  EXPECT_EQ(retry(attempt).error, "GET x: 503 (tried 5 times)");
  EXPECT_EQ(attempt.calls, 5);
}

TEST(WithRetries, RepeatsCorruptBytesOnce) {
  Attempt once{1, Errc::corrupt};
  EXPECT_EQ(retry(once).value, 2);
  Attempt always{100, Errc::corrupt};
  EXPECT_EQ(retry(always).error, "GET x: bad");
  EXPECT_EQ(always.calls, 2);
}

TEST(WithRetries, DoesNotRepeatWhatWillNotChange) {
  Attempt attempt{1, Errc::denied};
  EXPECT_EQ(retry(attempt).error, "GET x: bad");
  EXPECT_EQ(attempt.calls, 1);
}

}  // namespace
}  // namespace kiln::registry
