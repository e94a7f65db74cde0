#include "builder/ops/agent_relay.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <vector>

#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

namespace {

/// source: draft-ietf-sshm-ssh-agent "Message numbers"
constexpr std::uint8_t kFailure = 5;
constexpr std::uint8_t kRequestIdentities = 11;
constexpr std::uint8_t kSignRequest = 13;

/// source: OpenSSH authfd.h MAX_AGENT_REPLY_LEN, ssh-agent.c AGENT_MAX_LEN
constexpr std::size_t kMaxMessageBytes = 256 * 1024;
constexpr std::size_t kLengthBytes = 4;

/// A message with its length in front.
using Message = std::vector<std::uint8_t>;

asio::awaitable<Message> receive(Socket& socket) {
  Message message(kLengthBytes);
  co_await asio::async_read(socket, asio::buffer(message), asio::use_awaitable);
  std::size_t size = 0;
  for (const std::uint8_t byte : message)
    size = size << 8 | byte;
  if (size == 0 || size > kMaxMessageBytes)
    throw Error(Errc::invalid_input, "a message of {} bytes to or from the SSH agent", size);
  message.resize(kLengthBytes + size);
  co_await asio::async_read(socket, asio::buffer(message) + kLengthBytes, asio::use_awaitable);
  co_return message;
}

asio::awaitable<void> send(Socket& socket, Message message) {
  co_await asio::async_write(socket, asio::buffer(message), asio::use_awaitable);
}

}  // namespace

asio::awaitable<void> relay_agent(Socket& ours, Socket& agent) {
  while (true) {
    Message request = co_await receive(ours);
    const std::uint8_t type = request[kLengthBytes];
    if (type == kRequestIdentities || type == kSignRequest) {
      co_await send(agent, std::move(request));
      co_await send(ours, co_await receive(agent));
    } else {
      co_await send(ours, {0, 0, 0, 1, kFailure});
    }
  }
}

}  // namespace kiln::ops
