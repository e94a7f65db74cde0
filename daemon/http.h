// HTTP/1.1 on one connection: requests in, replies and chunked streams out. No meaning.
//
// Limits keep a client from using memory: kMaxHeaderBytes, kMaxBodyBytes, and kRequestTime between
// a request's first byte and its last. Thread: the event loop's; one operation at a time, except
// that cancelling works from anywhere on it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/connection.h"
#include "daemon/route.h"
#include "proto/error.h"

namespace kiln::daemon {

inline constexpr std::uint32_t kMaxHeaderBytes = 16 * 1024;
inline constexpr std::uint64_t kMaxBodyBytes = 1024 * 1024;
inline constexpr std::chrono::seconds kRequestTime{30};

/// A request that breaks HTTP's syntax or a limit; the connection can't go on after it.
class HttpError : public Error {
 public:
  HttpError(int status, std::string message)
      : Error(Errc::invalid_input, std::move(message)), status_(status) {}
  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  int status_;
};

class HttpConnection {
 public:
  /// `connection` must outlive it; its first bytes are taken as the beginning of a request.
  explicit HttpConnection(Connection& connection);
  ~HttpConnection();

  /// The next request, without path parameters, peer and log; nullopt when the client closed the
  /// connection in between. Throws HttpError; boost::system::system_error when the connection
  /// broke.
  boost::asio::awaitable<std::optional<Request>> read_request();

  /// True when the client lets the connection be used for another request.
  [[nodiscard]] bool keeps_alive() const noexcept;

  boost::asio::awaitable<void> write_reply(Reply reply, bool keep_alive);

  /// A stream: begin, pieces (not empty), end. HTTP/1.0 gets the bytes without chunks, and its end
  /// by the connection's.
  boost::asio::awaitable<void> begin_stream(bool keep_alive);
  boost::asio::awaitable<void> write_piece(std::string piece);
  boost::asio::awaitable<void> end_stream();

  /// Returns when the peer is gone altogether. One that only shut down its sending side still
  /// reads, and isn't gone.
  boost::asio::awaitable<void> wait_for_hangup();

  /// Ends the connection without cutting off what was just written: what the client still sends is
  /// read and dropped, for a short time.
  boost::asio::awaitable<void> close_gently();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The decoded parameters of a target's query. Throws HttpError for bad percent-encoding or a name
/// that comes twice.
[[nodiscard]] std::map<std::string, std::string> parse_query(std::string_view query);

}  // namespace kiln::daemon
