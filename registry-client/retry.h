// What is worth another attempt, when, and how often.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "registry-client/client.h"

namespace kiln::registry {

/// A failure that another attempt may cure. Errc::unavailable.
class TemporaryError : public RegistryError {
 public:
  TemporaryError(int status, std::string message)
      : RegistryError(Errc::unavailable, status, std::move(message)) {}

  std::optional<std::chrono::seconds> retry_after;  ///< what the server asked for
  bool connected = true;                            ///< false: no connection came about
};

/// 408, 429 and those 5xx that speak of a moment (not 501 or 505).
[[nodiscard]] bool is_temporary(int status);

/// The seconds a Retry-After asks for, given as such or as a date; nullopt when it is neither.
/// source: RFC 9110 section 10.2.3.
[[nodiscard]] std::optional<std::chrono::seconds> parse_retry_after(
    std::string_view value, std::chrono::system_clock::time_point now);

struct RetryPolicy {
  int max_attempts = 5;
  int max_connects = 3;  ///< of them, when nobody answers at all
  std::chrono::milliseconds first_delay{500};
  std::chrono::milliseconds max_delay{15'000};
  /// A server that asks for a longer pause is not waited for.
  std::chrono::seconds max_retry_after{120};
};

/// How retries wait: a timer and a die, or a test's.
struct Pacer {
  SleepFn sleep;
  std::function<double()> random;  ///< in [0, 1)
};

/// `sleep`, or a timer when it is empty.
[[nodiscard]] Pacer make_pacer(SleepFn sleep);

/// Counts the attempts of one operation.
class Backoff {
 public:
  Backoff(RetryPolicy policy, const Pacer& pacer) : policy_(policy), pacer_(pacer) {}

  /// How long to wait before the next attempt; nullopt when this was the last.
  [[nodiscard]] std::optional<std::chrono::milliseconds> after(const TemporaryError& failure);

  /// Wrong bytes get one more chance: a broken proxy or line, not a broken registry.
  [[nodiscard]] bool after_corruption();

  [[nodiscard]] int attempts() const noexcept { return attempts_; }

 private:
  RetryPolicy policy_;
  const Pacer& pacer_;
  int attempts_ = 0;
  int connect_failures_ = 0;
  bool was_corrupt_ = false;
};

/// Awaits attempt() until it succeeds, fails for good, or the policy's budget is used up.
/// `attempt` and `pacer` must outlive the await.
template <class Attempt>
std::invoke_result_t<Attempt&> with_retries(RetryPolicy policy,
                                            const Pacer& pacer,
                                            Attempt& attempt) {
  Backoff backoff(policy, pacer);
  for (;;) {
    std::chrono::milliseconds pause{0};
    try {
      co_return co_await attempt();
    } catch (const TemporaryError& failure) {
      const auto next = backoff.after(failure);
      if (!next && backoff.attempts() == 1) throw;
      if (!next) {
        throw RegistryError(failure.code(), failure.status(),
                            fmt::format("{} (tried {} times)", failure.what(), backoff.attempts()));
      }
      pause = *next;
    } catch (const Error& failure) {
      if (failure.code() != Errc::corrupt || !backoff.after_corruption()) throw;
    }
    if (pause.count() > 0) co_await pacer.sleep(pause);
  }
}

}  // namespace kiln::registry
