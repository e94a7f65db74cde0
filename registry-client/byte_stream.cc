#include "registry-client/byte_stream.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "builder/os/task_group.h"
#include "registry-client/watchdog.h"

namespace kiln::registry {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using boost::system::system_error;
using Stage = ConnectError::Stage;

namespace {

bool is_address(const std::string& host) {
  error_code error;
  asio::ip::make_address(host, error);
  return !error;
}

/// Shared with the resolver's call-back, which may come long after the waiter was cancelled:
/// getaddrinfo cannot be interrupted.
struct Lookup {
  explicit Lookup(const asio::any_io_executor& executor) : resolver(executor), done(executor) {}
  tcp::resolver resolver;
  os::Event done;
  error_code error = asio::error::timed_out;
  std::vector<tcp::endpoint> addresses;
};

asio::awaitable<std::vector<tcp::endpoint>> resolve(const Url& url,
                                                    std::chrono::milliseconds limit) {
  error_code not_literal;
  const auto literal = asio::ip::make_address(url.host, not_literal);
  if (!not_literal) co_return std::vector{tcp::endpoint(literal, url.port)};

  const auto executor = co_await asio::this_coro::executor;
  const auto lookup = std::make_shared<Lookup>(executor);
  lookup->resolver.async_resolve(
      url.host, std::to_string(url.port), tcp::resolver::numeric_service,
      [lookup](const error_code& error, const tcp::resolver::results_type& results) {
        lookup->error = error;
        for (const auto& entry : results)
          lookup->addresses.push_back(entry.endpoint());
        lookup->done.set();
      });
  Watchdog watchdog(executor, [&] { lookup->done.set(); });
  watchdog.arm(limit);
  co_await lookup->done.wait();
  if (lookup->error) {
    lookup->resolver.cancel();
    const bool unknown = lookup->error == asio::error::host_not_found;
    throw ConnectError(unknown ? Stage::no_such_host : Stage::connect,
                       fmt::format("look up {}: {}", url.host, lookup->error.message()));
  }
  co_return lookup->addresses;
}

}  // namespace

class ByteStream::Impl {
 public:
  explicit Impl(const asio::any_io_executor& executor)
      : socket_(executor), watchdog_(executor, [this] { close(); }) {}

  asio::awaitable<void> connect(const Url& url, std::chrono::milliseconds limit);
  asio::awaitable<void> handshake(const Url& url,
                                  std::shared_ptr<asio::ssl::context> context,
                                  std::chrono::milliseconds limit);

  /// A closed socket says "aborted": tells the deadline from the caller's cancellation.
  [[noreturn]] void fail(const error_code& error) {
    const bool late = watchdog_.expired();
    close();
    throw system_error(late ? error_code(asio::error::timed_out) : error);
  }
  void close() noexcept {
    error_code ignored;
    lowest().close(ignored);
  }
  tcp::socket& lowest() { return tls_ ? tls_->next_layer() : socket_; }

  std::shared_ptr<asio::ssl::context> context_;
  tcp::socket socket_;  ///< moved from once there is a tls_
  std::optional<asio::ssl::stream<tcp::socket>> tls_;
  Watchdog watchdog_;
};

asio::awaitable<void> ByteStream::Impl::connect(const Url& url, std::chrono::milliseconds limit) {
  std::string why = "no address";
  for (const auto& address : co_await resolve(url, limit)) {
    error_code error;
    socket_ = tcp::socket(socket_.get_executor());
    watchdog_.arm(limit);
    try {
      co_await socket_.async_connect(address, asio::use_awaitable);
    } catch (const system_error& failure) {
      error = failure.code();
    }
    watchdog_.disarm();
    if (!error) {
      socket_.set_option(tcp::no_delay(true), error);
      co_return;
    }
    if (watchdog_.expired()) {
      throw ConnectError(Stage::connect, fmt::format("connect to {} port {}: no answer within {} s",
                                                     address.address().to_string(), url.port,
                                                     std::chrono::duration<double>(limit).count()));
    }
    if (error == asio::error::operation_aborted) throw system_error(error);
    why = fmt::format("connect to {} port {}: {}", address.address().to_string(), url.port,
                      error.message());
  }
  throw ConnectError(Stage::connect, why);
}

asio::awaitable<void> ByteStream::Impl::handshake(const Url& url,
                                                  std::shared_ptr<asio::ssl::context> context,
                                                  std::chrono::milliseconds limit) {
  context_ = std::move(context);
  tls_.emplace(std::move(socket_), *context_);
  SSL* ssl = tls_->native_handle();
  if (is_address(url.host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), url.host.c_str());
  } else {
    SSL_set1_host(ssl, url.host.c_str());
    SSL_set_tlsext_host_name(ssl, url.host.c_str());
  }
  error_code error;
  watchdog_.arm(limit);
  try {
    co_await tls_->async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
  } catch (const system_error& failure) {
    error = failure.code();
  }
  watchdog_.disarm();
  if (!error) co_return;
  if (watchdog_.expired()) {
    throw ConnectError(Stage::tls, "TLS handshake: no answer in time");
  }
  if (error == asio::error::operation_aborted) throw system_error(error);
  if (const long verdict = SSL_get_verify_result(ssl); verdict != X509_V_OK) {
    throw ConnectError(Stage::certificate,
                       fmt::format("TLS certificate: {}", X509_verify_cert_error_string(verdict)));
  }
  throw ConnectError(Stage::tls, fmt::format("TLS handshake: {}", error.message()));
}

ByteStream::ByteStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ByteStream::~ByteStream() = default;

asio::awaitable<std::unique_ptr<ByteStream>> ByteStream::open(
    Url url, std::shared_ptr<asio::ssl::context> tls, Limits limits) {
  auto impl = std::make_unique<Impl>(co_await asio::this_coro::executor);
  co_await impl->connect(url, limits.connect);
  if (tls) co_await impl->handshake(url, std::move(tls), limits.handshake);
  co_return std::unique_ptr<ByteStream>(new ByteStream(std::move(impl)));
}

asio::awaitable<std::size_t> ByteStream::read_some(MutableBytes buffer) {
  error_code error;
  std::size_t count = 0;
  try {
    const auto into = asio::buffer(buffer.data(), buffer.size());
    count = impl_->tls_ ? co_await impl_->tls_->async_read_some(into, asio::use_awaitable)
                        : co_await impl_->socket_.async_read_some(into, asio::use_awaitable);
  } catch (const system_error& failure) {
    error = failure.code();
  }
  // Many servers end a TLS stream without close_notify; whether bytes are missing, the HTTP framing
  // and the digest tell.
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) co_return 0;
  if (error) impl_->fail(error);
  co_return count;
}

asio::awaitable<void> ByteStream::write(Bytes bytes) {
  error_code error;
  try {
    const auto from = asio::buffer(bytes.data(), bytes.size());
    if (impl_->tls_) {
      co_await asio::async_write(*impl_->tls_, from, asio::use_awaitable);
    } else {
      co_await asio::async_write(impl_->socket_, from, asio::use_awaitable);
    }
  } catch (const system_error& failure) {
    error = failure.code();
  }
  if (!error) co_return;
  // The peer may have answered before it stopped listening: what it said can still be read.
  if (impl_->watchdog_.expired()) throw system_error(asio::error::timed_out);
  throw system_error(error);
}

void ByteStream::arm(std::chrono::milliseconds limit) {
  impl_->watchdog_.arm(limit);
}
void ByteStream::disarm() {
  impl_->watchdog_.disarm();
}
void ByteStream::close() noexcept {
  impl_->close();
}

bool ByteStream::is_stale() const {
  const int fd = impl_->lowest().native_handle();
  char peeked = 0;
  const auto count = ::recv(fd, &peeked, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
  // TLS peers send session tickets whenever they like.
  return count == 0 || !impl_->tls_;
}

}  // namespace kiln::registry
