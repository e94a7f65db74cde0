#include "cli/http.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <utility>

#include "proto/error.h"

namespace kiln::cli {

namespace http = boost::beast::http;

struct ResponseReader::State {
  http::response_parser<http::string_body> parser;
  std::string pending;  ///< bytes that make no whole token yet
};

std::string serialize(const Request& request) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: kiln\r\nConnection: close\r\n",
                                 request.method, request.target);
  if (!request.body.empty() || request.method == "POST")
    text += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n",
                        request.body.size());
  return text + "\r\n" + request.body;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  for (const char c : text) {
    if (kUnreserved.contains(c)) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

ResponseReader::ResponseReader() : state_(std::make_unique<State>()) {
  state_->parser.eager(true);
  state_->parser.body_limit(boost::none);  // an event stream has no size
}
ResponseReader::ResponseReader(ResponseReader&&) noexcept = default;
ResponseReader& ResponseReader::operator=(ResponseReader&&) noexcept = default;
ResponseReader::~ResponseReader() = default;

std::string ResponseReader::feed(std::string_view bytes) {
  State& state = *state_;
  state.pending.append(bytes);
  while (!state.pending.empty() && !state.parser.is_done()) {
    boost::system::error_code error;
    const std::size_t used = state.parser.put(boost::asio::buffer(state.pending), error);
    state.pending.erase(0, used);
    if (error == http::error::need_more || (!error && used == 0)) break;
    if (error)
      throw Error(Errc::corrupt, "the daemon's answer is not HTTP/1.1: {}", error.message());
  }
  return std::exchange(state.parser.get().body(), {});
}

void ResponseReader::feed_end() {
  boost::system::error_code error;
  if (!state_->parser.is_done() && state_->parser.got_some()) state_->parser.put_eof(error);
  if (error || !state_->parser.is_done())
    throw Error(Errc::unavailable,
                "the daemon closed the connection before its answer was complete");
}

bool ResponseReader::head_done() const {
  return state_->parser.is_header_done();
}
bool ResponseReader::done() const {
  return state_->parser.is_done();
}
unsigned ResponseReader::status() const {
  return state_->parser.get().result_int();
}

}  // namespace kiln::cli
