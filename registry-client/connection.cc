#include "registry-client/connection.h"

#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "builder/os/task_group.h"
#include "registry-client/upload_body.h"

namespace kiln::registry {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using boost::system::system_error;

namespace {

constexpr std::uint32_t kHeaderLimitBytes = 64U * 1024;
constexpr std::size_t kReadBytes = 64U * 1024;
constexpr int kMaxInformational = 8;
constexpr std::string_view kLineEnd = "\r\n";
/// After a failed upload: how long the server's last words are awaited.
constexpr std::chrono::seconds kLastWords{5};

std::string head_of(const Request& request) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method,
                                 request.url.target, request.url.authority());
  for (const auto& [name, value] : request.headers)
    text += fmt::format("{}: {}\r\n", name, value);
  if (request.upload && !request.upload->size_bytes()) {
    text += "Transfer-Encoding: chunked\r\n";
  } else if (request.upload) {
    text += fmt::format("Content-Length: {}\r\n", *request.upload->size_bytes());
  } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    text += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  return text + "\r\n";
}

}  // namespace

class Connection::Impl {
 public:
  Impl(std::unique_ptr<ByteStream> stream, Limits limits)
      : stream_(std::move(stream)), limits_(limits) {}

  asio::awaitable<void> read_head(bool without_body);
  asio::awaitable<void> upload_and_read_head(UploadBody& body);
  asio::awaitable<void> send_upload(UploadBody& body);
  /// Reads what the server sends next into input_; false at the end.
  asio::awaitable<bool> fill();

  std::unique_ptr<ByteStream> stream_;
  Limits limits_;
  beast::flat_buffer input_;
  std::optional<http::response_parser<http::buffer_body>> parser_;
  std::optional<error_code> write_failure_;
  std::exception_ptr source_failure_;
  bool sent_ = false;
  bool heard_ = false;
  bool broken_ = false;
};

asio::awaitable<bool> Connection::Impl::fill() {
  const auto space = input_.prepare(kReadBytes);
  const auto count =
      co_await stream_->read_some({static_cast<std::byte*>(space.data()), space.size()});
  input_.commit(count);
  heard_ = heard_ || count > 0;
  co_return count > 0;
}

asio::awaitable<void> Connection::Impl::read_head(bool without_body) {
  for (int informational = 0; informational <= kMaxInformational; ++informational) {
    parser_.emplace();
    parser_->header_limit(kHeaderLimitBytes);
    parser_->body_limit(boost::none);
    parser_->skip(without_body);
    while (!parser_->is_header_done()) {
      error_code error = http::error::need_more;
      if (input_.size() > 0) input_.consume(parser_->put(input_.data(), error));
      if (error == http::error::need_more) {
        if (!co_await fill()) throw system_error(http::error::end_of_stream);
      } else if (error) {
        throw system_error(error);
      }
    }
    const auto status = parser_->get().result_int();
    if (status / 100 != 1) co_return;
  }
  throw system_error(http::error::bad_status);
}

asio::awaitable<void> Connection::Impl::send_upload(UploadBody& body) {
  try {
    co_await body.rewind();
    const bool chunked = !body.size_bytes();
    for (;;) {
      const Bytes chunk = co_await body.next();
      if (chunk.empty() && !chunked) break;
      stream_->arm(limits_.idle);
      if (chunked) {
        // The last chunk is an empty one.
        const std::string size = fmt::format("{:x}\r\n", chunk.size());
        co_await stream_->write(as_bytes(size));
      }
      if (!chunk.empty()) co_await stream_->write(chunk);
      if (chunked) co_await stream_->write(as_bytes(kLineEnd));
      stream_->disarm();  // a slow source is not a silent server
      if (chunk.empty()) break;
    }
    sent_ = true;
    stream_->arm(limits_.response);
  } catch (const system_error& failure) {
    write_failure_ = failure.code();
    stream_->arm(kLastWords);
  } catch (...) {
    source_failure_ = std::current_exception();
    stream_->close();
  }
}

asio::awaitable<void> Connection::Impl::upload_and_read_head(UploadBody& body) {
  os::TaskGroup writer(co_await asio::this_coro::executor);
  // The writer is joined whatever happens, cancellation included.
  co_await asio::this_coro::throw_if_cancelled(false);
  writer.spawn(send_upload(body));
  std::exception_ptr failure;
  try {
    co_await read_head(false);
  } catch (...) {
    failure = std::current_exception();
  }
  const auto write_failure = write_failure_;  // cancelling the writer looks like another
  writer.cancel();
  co_await writer.join();
  co_await asio::this_coro::throw_if_cancelled(true);
  stream_->disarm();
  if (source_failure_) std::rethrow_exception(source_failure_);
  if (failure && write_failure) throw system_error(*write_failure);
  if (failure) std::rethrow_exception(failure);
}

Connection::Connection(std::unique_ptr<ByteStream> stream, Limits limits)
    : impl_(std::make_unique<Impl>(std::move(stream), limits)) {}
Connection::~Connection() = default;

asio::awaitable<ResponseHead> Connection::exchange(const Request& request) {
  impl_->heard_ = impl_->sent_ = false;
  impl_->write_failure_.reset();
  impl_->source_failure_ = nullptr;
  impl_->parser_.reset();
  // Until the end is reached by the ordinary way nothing may follow on this connection.
  impl_->broken_ = true;
  impl_->stream_->arm(impl_->limits_.idle);
  const std::string head = head_of(request) + request.body;
  co_await impl_->stream_->write(as_bytes(head));
  if (request.upload) {
    impl_->stream_->disarm();
    co_await impl_->upload_and_read_head(*request.upload);
  } else {
    co_await impl_->read_head(request.method == "HEAD");
    impl_->stream_->disarm();
    impl_->sent_ = true;
  }
  impl_->broken_ = !impl_->sent_;

  ResponseHead response;
  const auto& message = impl_->parser_->get();
  response.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    const auto name = field.name_string();
    const auto value = field.value();
    response.headers.add({name.data(), name.size()}, {value.data(), value.size()});
  }
  co_return response;
}

asio::awaitable<std::size_t> Connection::read_body(MutableBytes buffer) {
  auto& parser = *impl_->parser_;
  parser.eager(true);
  auto& body = parser.get().body();
  body.data = buffer.data();
  body.size = buffer.size();
  while (!parser.is_done() && body.size > 0) {
    error_code error = http::error::need_more;
    if (impl_->input_.size() > 0) impl_->input_.consume(parser.put(impl_->input_.data(), error));
    if (error == http::error::need_more) {
      impl_->stream_->arm(impl_->limits_.idle);
      const bool more = co_await impl_->fill();
      impl_->stream_->disarm();
      error = {};
      if (!more) parser.put_eof(error);
    }
    if (error && error != http::error::need_buffer) throw system_error(error);
  }
  const std::size_t count = buffer.size() - body.size;
  body.data = nullptr;
  body.size = 0;
  co_return count;
}

bool Connection::body_done() const {
  return impl_->parser_ && impl_->parser_->is_done();
}

bool Connection::reusable() const {
  const bool between_requests = !impl_->parser_ || (body_done() && impl_->parser_->keep_alive());
  return between_requests && !impl_->broken_ && impl_->input_.size() == 0;
}

bool Connection::heard() const {
  return impl_->heard_;
}
bool Connection::is_stale() const {
  return impl_->stream_->is_stale();
}

}  // namespace kiln::registry
