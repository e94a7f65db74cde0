// Runs one coroutine to its end on a private io_context, and returns its result or throws.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <exception>

namespace kiln::test {

template <class T>
T run_async(boost::asio::awaitable<T> task) {
  boost::asio::io_context io{1};
  auto result = boost::asio::co_spawn(io, std::move(task), boost::asio::use_future);
  io.run();
  return result.get();
}

}  // namespace kiln::test
