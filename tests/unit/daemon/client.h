// A blocking client for tests, and a server of given routes on a thread of its own.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <filesystem>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "builder/os/fd.h"
#include "builder/os/file.h"
#include "daemon/listener.h"
#include "daemon/route.h"
#include "daemon/server.h"

namespace kiln::daemon::test {

struct Answer {
  int status = 0;
  std::string head;
  std::string body;       ///< without chunks
  bool complete = false;  ///< the body ended as its header says
};

class Client {
 public:
  explicit Client(const std::filesystem::path& socket);
  explicit Client(os::Fd connected) : socket_(std::move(connected)) {}

  void send(std::string_view bytes, const std::vector<int>& descriptors = {});
  /// False when the server does not take the bytes any more.
  bool try_send(std::string_view bytes);
  /// The next answer; fails the test after 10 s without a byte.
  Answer receive();
  /// Reads until the bytes that were not yet part of an answer contain `text`.
  std::string receive_until(std::string_view text);
  /// True when the server closed the connection.
  bool at_end();
  void shut_down_sending();
  void close() { socket_ = os::Fd(); }

 private:
  bool fill();
  os::Fd socket_;
  std::string buffer_;
};

[[nodiscard]] std::string get(std::string_view target);
[[nodiscard]] std::string post(std::string_view target, std::string_view body);

/// Waits until `condition` holds, at most 10 s; returns whether it does.
template <class Condition>
bool eventually(Condition condition) {
  for (int tries = 0; tries < 2000; ++tries) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return false;
}

/// Serves `routes` at path() until destroyed.
class TestServer {
 public:
  explicit TestServer(const Routes& routes, EventQueue::Limits limits = {});
  ~TestServer();

  [[nodiscard]] std::filesystem::path path() const { return directory_.path() / "kiln.sock"; }
  [[nodiscard]] Client connect() const { return Client(path()); }
  /// Drains with `grace` and waits for the end.
  void drain(std::chrono::milliseconds grace);

 private:
  os::TempDir directory_{std::filesystem::temp_directory_path(), "daemon_test"};
  boost::asio::io_context io_{1};
  Server server_;
  bool drained_ = false;
  std::thread thread_;
};

}  // namespace kiln::daemon::test
