// One TCP connection, plain or TLS, as reads and writes with one deadline.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "proto/bytes.h"
#include "proto/error.h"
#include "registry-client/url.h"

namespace boost::asio::ssl {
class context;
}

namespace kiln::registry {

/// No connection came about. Errc::unavailable; the message names the address and the cause.
class ConnectError : public Error {
 public:
  enum class Stage {
    no_such_host,  ///< the name does not exist
    connect,       ///< nobody answers, or the name server does not
    tls,           ///< the peer does not speak TLS, or not ours
    certificate,   ///< the peer's certificate is not trusted
  };
  ConnectError(Stage stage, std::string message)
      : Error(Errc::unavailable, std::move(message)), stage_(stage) {}
  [[nodiscard]] Stage stage() const noexcept { return stage_; }

 private:
  Stage stage_;
};

/// Failures are boost::system::system_error: operation_aborted when the caller was cancelled,
/// timed_out when the deadline passed. A stream that failed is closed.
class ByteStream {
 public:
  struct Limits {
    std::chrono::milliseconds connect;    ///< each address, and the name
    std::chrono::milliseconds handshake;  ///< of TLS
  };

  /// Connects to the first address of url.host that answers; `tls` is null for plain HTTP.
  /// Throws ConnectError.
  static boost::asio::awaitable<std::unique_ptr<ByteStream>> open(
      Url url, std::shared_ptr<boost::asio::ssl::context> tls, Limits limits);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  /// Reads 1..buffer.size() bytes; 0 is the end. One read and one write may be under way at once.
  boost::asio::awaitable<std::size_t> read_some(MutableBytes buffer);
  boost::asio::awaitable<void> write(Bytes bytes);

  /// Closes the connection unless disarmed or armed again in time.
  void arm(std::chrono::milliseconds limit);
  void disarm();
  void close() noexcept;
  /// True when the peer has closed, or said something nobody asked for.
  [[nodiscard]] bool is_stale() const;

 private:
  class Impl;
  explicit ByteStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln::registry
