// Coroutines that a cancelled caller still waits for.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace kiln::sandbox {

/// Runs `task` to its end whatever happens to the caller: its cancellation does not reach the task.
/// The caller must have throw_if_cancelled(false), else it leaves as soon as the task is done.
template <class T>
boost::asio::awaitable<T> shielded(boost::asio::awaitable<T> task) {
  const auto executor = co_await boost::asio::this_coro::executor;
  co_return co_await boost::asio::co_spawn(
      executor, std::move(task),
      boost::asio::bind_cancellation_slot(boost::asio::cancellation_slot(),
                                          boost::asio::use_awaitable));
}

}  // namespace kiln::sandbox
