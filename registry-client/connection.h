// HTTP/1.1 over one ByteStream: one request and its response after the other.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>

#include "proto/bytes.h"
#include "registry-client/byte_stream.h"
#include "registry-client/http.h"

namespace kiln::registry {

class Connection {
 public:
  struct Limits {
    std::chrono::milliseconds idle;      ///< without a byte in either direction
    std::chrono::milliseconds response;  ///< from an upload's last byte to its answer
  };

  Connection(std::unique_ptr<ByteStream> stream, Limits limits);
  ~Connection();

  /// Sends `request` and reads the head of its final response. An answer that comes before an
  /// upload's end stops the upload. Throws boost::system::system_error as ByteStream does, or with
  /// an HTTP parse error; what the upload's source throws.
  boost::asio::awaitable<ResponseHead> exchange(const Request& request);

  /// Fills `buffer` with the body's next bytes; fewer than its size only at the end, then 0.
  /// Throws system_error{http::partial_message} when the body is cut off.
  boost::asio::awaitable<std::size_t> read_body(MutableBytes buffer);

  [[nodiscard]] bool body_done() const;
  /// True when a request may follow: the last body was read and both sides keep the connection.
  [[nodiscard]] bool reusable() const;
  /// True when the server said anything since exchange() began.
  [[nodiscard]] bool heard() const;
  [[nodiscard]] bool is_stale() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln::registry
