// One client's HTTP connection: each request to its handler, and the answer back.
//
// A client that goes away during a stream cancels the job; the session ends only after the job did.
// A client that goes away during a reply in one piece changes nothing: what was asked is done.
// Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>

#include "daemon/connection.h"
#include "daemon/events.h"
#include "daemon/http.h"
#include "daemon/route.h"

namespace kiln::daemon {

class Session {
 public:
  /// All must outlive it.
  Session(Connection& connection, const Routes& routes, EventQueue::Limits limits);

  /// Serves until the client leaves or the connection is stopped. Never throws. Cancelled: the
  /// running job is cancelled and awaited, and the client told.
  boost::asio::awaitable<void> run();

 private:
  struct Stream;

  boost::asio::awaitable<bool> serve_one();
  boost::asio::awaitable<void> refuse(HttpError error);
  boost::asio::awaitable<void> stream(Job job, Log log);

  boost::asio::awaitable<void> run_job(Stream& stream);
  boost::asio::awaitable<void> write_events(Stream& stream);
  boost::asio::awaitable<void> watch_client(Stream& stream);
  boost::asio::awaitable<void> watch_backlog(Stream& stream);

  Connection& connection_;
  const Routes& routes_;
  EventQueue::Limits limits_;
  HttpConnection http_;
};

}  // namespace kiln::daemon
