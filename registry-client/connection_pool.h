// Kept-alive connections by origin: few in use, fewer idle.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "builder/os/task_group.h"
#include "registry-client/client.h"
#include "registry-client/connection.h"
#include "registry-client/tls.h"
#include "registry-client/url.h"

namespace kiln::registry {

class ConnectionPool {
 public:
  /// At most `max_per_host` connections to one origin are in use at once; further ones wait.
  ConnectionPool(boost::asio::thread_pool& pool, Timeouts timeouts, int max_per_host);

  /// A connection in use. Dropping it closes the connection.
  struct Lease {
    std::unique_ptr<Connection> connection;
    os::Limiter::Slot slot;
    std::string origin;
    bool reused = false;
  };

  /// An idle connection, or a new one; `fresh` forgets the idle ones. Throws ConnectError.
  boost::asio::awaitable<Lease> acquire(Url url, TlsSettings tls, bool fresh);

  /// Keeps the connection for the next user when it can be used again.
  void give_back(Lease lease);

  /// Closes what has been idle since before now - kMaxIdle.
  void close_expired();

  static constexpr std::chrono::seconds kMaxIdle{30};

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    std::chrono::steady_clock::time_point since;
  };
  struct Host {
    Host(const boost::asio::any_io_executor& executor, int limit) : in_use(executor, limit) {}
    os::Limiter in_use;
    std::list<Idle> idle;  ///< latest last
  };

  Timeouts timeouts_;
  int max_per_host_;
  TlsContexts contexts_;
  std::map<std::string, Host> hosts_;
};

}  // namespace kiln::registry
