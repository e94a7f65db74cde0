#include "registry-client/retry.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <random>

#include "registry-client/http.h"

namespace kiln::registry {

namespace {

namespace asio = boost::asio;

asio::awaitable<void> sleep_by_timer(std::chrono::milliseconds pause) {
  asio::steady_timer timer(co_await asio::this_coro::executor, pause);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

Pacer make_pacer(SleepFn sleep) {
  Pacer pacer;
  pacer.sleep = sleep ? std::move(sleep) : SleepFn(sleep_by_timer);
  pacer.random = [engine = std::mt19937_64(std::random_device{}())]() mutable {
    return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
  };
  return pacer;
}

bool is_temporary(int status) {
  return status == 408 || status == 429 ||
         (status >= 500 && status < 600 && status != 501 && status != 505);
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                      std::chrono::system_clock::time_point now) {
  std::uint32_t seconds = 0;
  const char* end = value.data() + value.size();
  if (const auto [rest, error] = std::from_chars(value.data(), end, seconds);
      error == std::errc{} && rest == end) {
    return std::chrono::seconds(seconds);
  }
  const auto when = parse_http_date(value);
  if (!when) return std::nullopt;
  return std::max(std::chrono::ceil<std::chrono::seconds>(*when - now), std::chrono::seconds(0));
}

std::optional<std::chrono::milliseconds> Backoff::after(const TemporaryError& failure) {
  ++attempts_;
  if (attempts_ >= policy_.max_attempts) return std::nullopt;
  if (!failure.connected && ++connect_failures_ >= policy_.max_connects) return std::nullopt;
  if (failure.retry_after > policy_.max_retry_after) return std::nullopt;

  const int doublings = std::min(attempts_ - 1, 20);
  const auto delay = std::min<std::chrono::milliseconds>(
      policy_.max_delay, policy_.first_delay * (std::int64_t{1} << doublings));
  // Half fixed, half random: clients that failed together do not come back together.
  auto pause = delay / 2 + std::chrono::milliseconds(static_cast<std::int64_t>(
                               static_cast<double>(delay.count()) / 2 * pacer_.random()));
  if (failure.retry_after) {
    pause = std::max<std::chrono::milliseconds>(pause, *failure.retry_after);
  }
  return pause;
}

bool Backoff::after_corruption() {
  ++attempts_;
  return attempts_ < policy_.max_attempts && !std::exchange(was_corrupt_, true);
}

}  // namespace kiln::registry
