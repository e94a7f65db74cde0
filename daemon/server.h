// Listeners and the connections that came from them.
//
// Life: add listeners, start(), then drain() exactly once before it is destroyed. Thread: the event
// loop's.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <optional>

#include "builder/os/task_group.h"
#include "daemon/connection.h"
#include "daemon/deadline.h"
#include "daemon/events.h"
#include "daemon/listener.h"
#include "daemon/route.h"

namespace kiln::daemon {

class Server {
 public:
  /// `routes` must outlive it.
  Server(boost::asio::any_io_executor executor, const Routes& routes, EventQueue::Limits limits);

  void add(Listener listener);
  /// `action` is called whenever no connection was open for a second after the last one ended, or
  /// after start().
  void when_quiet(std::function<void()> action);
  void start();

  /// Stops accepting, closes idle connections, lets requests end for `grace`, cancels the rest, and
  /// returns when all have ended.
  boost::asio::awaitable<void> drain(std::chrono::steady_clock::duration grace);
  /// Cancels every connection at once. May be called during drain().
  void cancel();

  [[nodiscard]] std::size_t connections() const noexcept { return open_.size(); }
  /// When the last connection ended, or the server was started.
  [[nodiscard]] std::chrono::steady_clock::time_point last_active() const noexcept {
    return last_active_;
  }

 private:
  boost::asio::awaitable<void> accept_all(Listener& listener);
  boost::asio::awaitable<void> serve(FdStream::Socket socket);
  boost::asio::awaitable<void> speak(Connection& connection);
  void await_quiet();

  boost::asio::any_io_executor executor_;
  const Routes& routes_;
  EventQueue::Limits limits_;
  std::list<Listener> listeners_;
  std::list<Connection*> open_;
  std::chrono::steady_clock::time_point last_active_;
  std::function<void()> when_quiet_;
  std::optional<Deadline> quiet_;
  bool draining_ = false;
  os::TaskGroup acceptors_;
  os::TaskGroup sessions_;
};

}  // namespace kiln::daemon
