#include "daemon/http.h"

#include <fmt/ostream.h>

#include <algorithm>
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/url/pct_string_view.hpp>

#include "daemon/deadline.h"

namespace kiln::daemon {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr std::string_view kServer = "kilnd";
constexpr std::size_t kMaxDrainedBytes = 8 * 1024 * 1024;
constexpr std::chrono::seconds kDrainTime{1};

[[noreturn]] void refuse(error_code error) {
  if (error == http::error::header_limit) {
    throw HttpError(431, fmt::format("the request's header is over {} bytes", kMaxHeaderBytes));
  }
  if (error == http::error::body_limit) {
    throw HttpError(413, fmt::format("the request's body is over {} bytes", kMaxBodyBytes));
  }
  // What the peer did to the connection is not worth an answer; what it wrote is.
  if (error.category() == http::make_error_code(http::error::bad_method).category() &&
      error != http::error::partial_message && error != http::error::end_of_stream) {
    throw HttpError(400, "not an HTTP/1.1 request: " + error.message());
  }
  throw boost::system::system_error(error, "read a request");
}

std::string decode(std::string_view text) {
  const auto checked = boost::urls::make_pct_string_view(text);
  if (!checked) {
    throw HttpError(400, fmt::format("\"{}\" in the query is not valid percent-encoding", text));
  }
  // A "+" stays a plus sign: the protocol writes a space as %20.
  return checked->decode(boost::urls::encoding_opts{});
}

}  // namespace

struct HttpConnection::Impl {
  Connection& connection;
  boost::beast::flat_buffer buffer;
  unsigned version = 11;
  bool keeps_alive = true;
  bool chunked = true;

  explicit Impl(Connection& of) : connection(of) {
    const auto& first = of.first_bytes;
    asio::buffer_copy(buffer.prepare(first.size()), asio::buffer(first));
    buffer.commit(first.size());
  }

  asio::awaitable<void> read_message(http::request_parser<http::string_body>& parser);
  asio::awaitable<void> send(std::string head, std::string body);
};

asio::awaitable<void> HttpConnection::Impl::read_message(
    http::request_parser<http::string_body>& parser) {
  FdStream& stream = connection.stream;
  error_code error;
  co_await http::async_read_header(stream, buffer, parser,
                                   asio::redirect_error(asio::use_awaitable, error));
  if (error) refuse(error);
  if (parser.get()[http::field::expect] == "100-continue" && !parser.is_done()) {
    co_await asio::async_write(stream, asio::buffer("HTTP/1.1 100 Continue\r\n\r\n", 25),
                               asio::use_awaitable);
  }
  co_await http::async_read(stream, buffer, parser,
                            asio::redirect_error(asio::use_awaitable, error));
  if (error) refuse(error);
}

asio::awaitable<void> HttpConnection::Impl::send(std::string head, std::string body) {
  const std::array<asio::const_buffer, 2> parts{asio::buffer(head), asio::buffer(body)};
  co_await asio::async_write(connection.stream, parts, asio::use_awaitable);
}

HttpConnection::HttpConnection(Connection& connection)
    : impl_(std::make_unique<Impl>(connection)) {}

HttpConnection::~HttpConnection() = default;

bool HttpConnection::keeps_alive() const noexcept {
  return impl_->keeps_alive;
}

asio::awaitable<std::optional<Request>> HttpConnection::read_request() {
  Connection& connection = impl_->connection;
  FdStream& stream = connection.stream;
  if (impl_->buffer.size() == 0) {
    connection.idle = true;
    if (connection.stopping) co_return std::nullopt;
    co_await stream.socket().async_wait(FdStream::Socket::wait_read, asio::use_awaitable);
  }
  connection.idle = false;

  http::request_parser<http::string_body> parser;
  parser.header_limit(kMaxHeaderBytes);
  parser.body_limit(kMaxBodyBytes);
  const Deadline deadline(stream.get_executor(), kRequestTime,
                          [&stream] { stream.socket().cancel(); });
  try {
    co_await impl_->read_message(parser);
  } catch (const boost::system::system_error& error) {
    if (error.code() == http::error::end_of_stream) co_return std::nullopt;
    if (deadline.expired()) {
      throw HttpError(408,
                      fmt::format("the request took over {} s to arrive", kRequestTime.count()));
    }
    throw;
  }

  http::request<http::string_body> message = parser.release();
  impl_->version = message.version();
  impl_->keeps_alive = message.keep_alive();
  Request request;
  request.method = message.method_string();
  const std::string_view target = message.target();
  const std::size_t question = std::min(target.find('?'), target.size());
  request.path = target.substr(0, question);
  if (question < target.size()) request.query = parse_query(target.substr(question + 1));
  request.body = std::move(message.body());
  request.descriptors = stream.take_descriptors();
  if (stream.take_loss()) {
    throw HttpError(400, fmt::format("not all passed file descriptors arrived: at most {} a "
                                     "request, and kilnd's own limit of open files",
                                     kMaxDescriptors));
  }
  co_return request;
}

asio::awaitable<void> HttpConnection::write_reply(Reply reply, bool keep_alive) {
  if (reply.status == 200 && reply.body.empty()) reply.status = 204;
  http::response_header<> header;
  header.version(impl_->version);
  header.result(static_cast<unsigned>(reply.status));
  header.set(http::field::server, kServer);
  if (reply.status == 499) header.reason("Client Closed Request");
  if (!reply.body.empty()) header.set(http::field::content_type, "application/json");
  if (reply.status != 204) {
    header.set(http::field::content_length, std::to_string(reply.body.size()));
  }
  header.set(http::field::connection, keep_alive ? "keep-alive" : "close");
  co_await impl_->send(fmt::format("{}", fmt::streamed(header)), std::move(reply.body));
}

asio::awaitable<void> HttpConnection::begin_stream(bool keep_alive) {
  impl_->chunked = impl_->version >= 11;
  http::response_header<> header;
  header.version(impl_->version);
  header.result(http::status::ok);
  header.set(http::field::server, kServer);
  header.set(http::field::content_type, "application/x-ndjson");
  if (impl_->chunked) header.set(http::field::transfer_encoding, "chunked");
  header.set(http::field::connection, keep_alive && impl_->chunked ? "keep-alive" : "close");
  if (!impl_->chunked) impl_->keeps_alive = false;
  co_await impl_->send(fmt::format("{}", fmt::streamed(header)), "");
}

asio::awaitable<void> HttpConnection::write_piece(std::string piece) {
  if (!impl_->chunked) {
    co_await impl_->send("", std::move(piece));
    co_return;
  }
  std::string size = fmt::format("{:x}\r\n", piece.size());
  piece += "\r\n";
  co_await impl_->send(std::move(size), std::move(piece));
}

asio::awaitable<void> HttpConnection::end_stream() {
  if (impl_->chunked) co_await impl_->send("0\r\n\r\n", "");
}

asio::awaitable<void> HttpConnection::wait_for_hangup() {
  // Waiting for an error is woken by EPOLLHUP, which a Unix socket reports once both directions are
  // shut; a half-closed or pipelining peer doesn't wake it.
  co_await impl_->connection.stream.socket().async_wait(FdStream::Socket::wait_error,
                                                        asio::use_awaitable);
}

asio::awaitable<void> HttpConnection::close_gently() {
  auto& socket = impl_->connection.stream.socket();
  error_code error;
  socket.shutdown(FdStream::Socket::shutdown_send, error);
  const Deadline deadline(socket.get_executor(), kDrainTime, [&socket] { socket.cancel(); });
  // Closing with unread bytes would make the peer's next write fail before it read the answer.
  std::array<char, 16 * 1024> dropped;
  std::size_t total = 0;
  while (!error && total < kMaxDrainedBytes) {
    total += co_await impl_->connection.stream.async_read_some(
        asio::buffer(dropped), asio::redirect_error(asio::use_awaitable, error));
    static_cast<void>(impl_->connection.stream.take_descriptors());  // closes them
  }
}

std::map<std::string, std::string> parse_query(std::string_view query) {
  std::map<std::string, std::string> parameters;
  while (!query.empty()) {
    const std::string_view parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(parameter.size() + 1, query.size()));
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    std::string name = decode(parameter.substr(0, equals));
    const auto value = parameter.substr(std::min(equals + 1, parameter.size()));
    const auto [place, is_new] = parameters.try_emplace(std::move(name), decode(value));
    if (!is_new) {
      throw HttpError(400, fmt::format("the query parameter \"{}\" comes twice", place->first));
    }
  }
  return parameters;
}

}  // namespace kiln::daemon
