// The one way from a coroutine to a thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

namespace kiln::os {

/// Runs `work` on `pool`; the caller resumes on its own executor with the result or the exception.
///
/// What `work` refers to must outlive the await. Not cancellable: long work polls a stop_token.
template <std::invocable Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> offload(boost::asio::thread_pool& pool,
                                                            Work work) {
  using Result = std::invoke_result_t<Work&>;
  // An empty slot: Asio would deliver a cancellation on a second pool thread while `job` runs on
  // the first, and after this frame let go of the signal.
  const auto uncancellable = [] {
    return boost::asio::bind_cancellation_slot(boost::asio::cancellation_slot(),
                                               boost::asio::use_awaitable);
  };
  // NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines): this frame outlives `job`.
  if constexpr (std::is_void_v<Result>) {
    auto job = [&work]() -> boost::asio::awaitable<void> {
      work();
      co_return;
    };
    co_await boost::asio::co_spawn(pool, job, uncancellable());
  } else {
    // Asio default-constructs what a failed coroutine would have given: not every result can be.
    auto job = [&work]() -> boost::asio::awaitable<std::optional<Result>> { co_return work(); };
    co_return std::move(*co_await boost::asio::co_spawn(pool, job, uncancellable()));
  }
  // NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
}

}  // namespace kiln::os
