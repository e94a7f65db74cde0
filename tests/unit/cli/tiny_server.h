// A Unix-socket HTTP server in the test process: records each request with the descriptors that
// came with its first bytes, and answers with what the test says, one connection at a time a
// thread.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cli/fd.h"

namespace kiln::cli::test {

struct ReceivedRequest {
  std::string line;  ///< "POST /kiln/v1/builds HTTP/1.1"
  std::string head;
  std::string body;
  std::vector<Fd> descriptors;  ///< that came with the first bytes
};

class TinyServer {
 public:
  /// Writes the answer to `socket`; the connection closes when it returns.
  using Handler = std::function<void(const ReceivedRequest& request, int socket)>;

  TinyServer(const std::string& socket_path, Handler handler);
  TinyServer(const TinyServer&) = delete;
  TinyServer& operator=(const TinyServer&) = delete;
  ~TinyServer();

  /// Waits until the handlers of all requests that were answered have returned: what they recorded
  /// can be looked at.
  void settle();

 private:
  void accept_all();

  Handler handler_;
  Fd listener_;
  std::mutex mutex_;
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;
};

/// A 200 answer with a body of known size.
[[nodiscard]] std::string answer(std::string_view body, std::string_view status = "200 OK");
/// The head of a chunked 200 answer.
[[nodiscard]] std::string stream_head();
/// One chunk; "" is the end of the stream.
[[nodiscard]] std::string chunk(std::string_view body);

}  // namespace kiln::cli::test
