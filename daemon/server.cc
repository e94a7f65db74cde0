#include "daemon/server.h"

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <memory>

#include "daemon/deadline.h"
#include "daemon/log.h"
#include "daemon/protocol.h"
#include "daemon/session.h"

namespace kiln::daemon {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kQuiet{1};

}  // namespace

Server::Server(asio::any_io_executor executor, const Routes& routes, EventQueue::Limits limits)
    : executor_(executor),
      routes_(routes),
      limits_(std::move(limits)),
      last_active_(std::chrono::steady_clock::now()),
      acceptors_(executor),
      sessions_(executor) {}

void Server::add(Listener listener) {
  listeners_.push_back(std::move(listener));
}

void Server::start() {
  for (Listener& listener : listeners_) {
    Log().info("listening on {}", listener.name());
    acceptors_.spawn(accept_all(listener));
  }
  await_quiet();
}

void Server::when_quiet(std::function<void()> action) {
  when_quiet_ = std::move(action);
}

void Server::await_quiet() {
  if (!when_quiet_ || draining_) return;
  quiet_.emplace(executor_, kQuiet, [this] {
    if (open_.empty()) when_quiet_();
  });
}

asio::awaitable<void> Server::accept_all(Listener& listener) {
  try {
    while (true)
      sessions_.spawn(serve(co_await listener.accept()));
  } catch (const boost::system::system_error& error) {
    if (error.code() != asio::error::operation_aborted) throw;
  }
}

asio::awaitable<void> Server::serve(FdStream::Socket socket) {
  try {
    const os::Peer peer = os::peer_of(socket.native_handle());
    Connection connection(std::move(socket), peer);
    const auto place = open_.insert(open_.end(), &connection);
    const auto leave = [this, place](Connection*) noexcept {
      open_.erase(place);
      last_active_ = std::chrono::steady_clock::now();
      if (open_.empty()) await_quiet();
    };
    const std::unique_ptr<Connection, decltype(leave)> left_at_end(&connection, leave);
    co_await speak(connection);
  } catch (const boost::system::system_error& error) {
    Log().debug("a connection broke: {}", error.what());
  } catch (const std::exception& error) {
    Log().warn("a connection failed: {}", error.what());
  }
}

asio::awaitable<void> Server::speak(Connection& connection) {
  std::array<char, 4096> buffer;
  while (detect_protocol(connection.first_bytes) == Protocol::undecided) {
    error_code error;
    const std::size_t count = co_await connection.stream.async_read_some(
        asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::eof) co_return;
    if (error) throw boost::system::system_error(error, "read the first bytes");
    connection.first_bytes.append(buffer.data(), count);
  }
  if (detect_protocol(connection.first_bytes) == Protocol::http2) {
    const std::string refusal = http2_refusal();
    co_await asio::async_write(connection.stream, asio::buffer(refusal), asio::use_awaitable);
    co_return;
  }
  Session session(connection, routes_, limits_);
  co_await session.run();
}

asio::awaitable<void> Server::drain(std::chrono::steady_clock::duration grace) {
  for (Listener& listener : listeners_)
    listener.close();
  draining_ = true;
  quiet_.reset();
  co_await acceptors_.join();
  for (Connection* connection : open_)
    connection->stop_when_idle();
  const Deadline deadline(executor_, grace, [this] { cancel(); });
  co_await sessions_.join();
}

void Server::cancel() {
  for (Connection* connection : open_)
    connection->stopping = true;
  sessions_.cancel();
}

}  // namespace kiln::daemon
