// Work on a pool that can be told to stop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <concepts>
#include <exception>
#include <optional>
#include <stop_token>
#include <type_traits>

#include "builder/os/offload.h"
#include "builder/os/task_group.h"

namespace kiln::os {

/// Runs `work(std::stop_token)` on `pool`. When the caller is cancelled the token is stopped and
/// the work awaited: it ends by throwing Error{cancelled}, or in time by its result.
template <std::invocable<std::stop_token> Work>
boost::asio::awaitable<std::invoke_result_t<Work&, std::stop_token>> offload_cancellable(
    boost::asio::thread_pool& pool, Work work) {
  using Result = std::invoke_result_t<Work&, std::stop_token>;
  struct Shared {
    std::stop_source stop;
    std::optional<Result> result;
    std::exception_ptr failure;
  } shared;
  Event done(co_await boost::asio::this_coro::executor);
  boost::asio::post(pool, [&, home = co_await boost::asio::this_coro::executor] {
    try {
      shared.result.emplace(work(shared.stop.get_token()));
    } catch (...) {
      shared.failure = std::current_exception();
    }
    boost::asio::post(home, [&done] { done.set(); });
  });
  const bool throws = co_await boost::asio::this_coro::throw_if_cancelled();
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  while (!co_await done.wait_or_cancelled())
    shared.stop.request_stop();
  co_await boost::asio::this_coro::throw_if_cancelled(throws);
  if (shared.failure) std::rethrow_exception(shared.failure);
  co_return std::move(*shared.result);
}

}  // namespace kiln::os
