// One request and its answer over the daemon's Unix socket. Blocking: the client has nothing else
// to do.
#pragma once

#include <optional>
#include <string>

#include "cli/fd.h"
#include "cli/http.h"

namespace kiln::cli {

class Connection {
 public:
  /// nullopt when nobody listens at `socket_path`; throws ConnectionError when it may not be used.
  [[nodiscard]] static std::optional<Connection> open(const std::string& socket_path);

  /// Sends the request, its descriptors beside its first bytes (SCM_RIGHTS).
  /// A daemon that stops reading has answered already: that is no error here.
  void send(const Request& request);

  /// Waits for bytes once and returns the body bytes among them, often none.
  /// Throws ConnectionError when the answer breaks off.
  std::string receive();

  /// Becomes readable when receive() would not wait.
  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] const ResponseReader& response() const { return response_; }

 private:
  explicit Connection(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
  ResponseReader response_;
};

}  // namespace kiln::cli
