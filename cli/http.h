// HTTP/1.1 as text: what a request looks like, and what an answer says, without any socket.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {

struct Request {
  std::string method = "GET";
  std::string target{};
  std::string body{};              ///< JSON, or ""
  std::vector<int> descriptors{};  ///< passed with the first bytes; not owned
};

/// The bytes of the request's head and body.
[[nodiscard]] std::string serialize(const Request& request);

/// A value for a query or a path segment: unreserved characters stay, the rest is %XX.
/// source: RFC 3986 2.3
[[nodiscard]] std::string percent_encode(std::string_view text);

/// Reads one answer from bytes that arrive in any pieces.
class ResponseReader {
 public:
  ResponseReader();
  ResponseReader(ResponseReader&&) noexcept;
  ResponseReader& operator=(ResponseReader&&) noexcept;
  ~ResponseReader();

  /// Takes what arrived and returns the body bytes that became readable.
  /// Throws Error{corrupt} when it is not HTTP.
  std::string feed(std::string_view bytes);
  /// The peer closed: throws Error{unavailable} when the answer is not complete.
  void feed_end();

  [[nodiscard]] bool head_done() const;
  [[nodiscard]] bool done() const;
  [[nodiscard]] unsigned status() const;  ///< once head_done()

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kiln::cli
