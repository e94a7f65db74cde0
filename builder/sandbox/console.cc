#include "builder/sandbox/console.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <memory>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace asio = boost::asio;

namespace {

/// Waits until `fd` can be read. The descriptor stays the caller's.
asio::awaitable<void> readable(int fd) {
  asio::posix::stream_descriptor stream(co_await asio::this_coro::executor, fd);
  const auto give_back = [](asio::posix::stream_descriptor* one) noexcept { one->release(); };
  const std::unique_ptr<asio::posix::stream_descriptor, decltype(give_back)> borrowed(&stream);
  co_await stream.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
}

/// A message of some bytes with room for one descriptor.
struct Message {
  std::array<char, 4096> bytes{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec piece{bytes.data(), bytes.size()};
  msghdr header{};

  Message() {
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
  }
};

/// Empty when the runtime failed before it had one; it says why elsewhere.
/// source: runtime-spec; runc docs/terminals.md: one message, the terminal's name and its master
os::Fd receive_descriptor(int socket) {
  Message message;
  const ssize_t count = ::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (count < 0) throw system_error(errno, "receive the terminal");
  if (count == 0) return {};
  const cmsghdr* header = CMSG_FIRSTHDR(&message.header);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
    throw Error(Errc::unavailable, "the runtime handed over no terminal");
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return os::Fd(fd);
}

void send_descriptor(int socket, const os::Fd& fd) {
  Message message;
  message.piece.iov_len = 1;
  cmsghdr* header = CMSG_FIRSTHDR(&message.header);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = fd.get();
  std::memcpy(CMSG_DATA(header), &number, sizeof number);
  if (::sendmsg(socket, &message.header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    throw system_error(errno, "pass the terminal to the client");
}

}  // namespace

ConsoleSocket::ConsoleSocket(const std::filesystem::path& directory)
    : directory_(os::open_file(directory, O_PATH | O_DIRECTORY)),
      listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  if (!listener_) throw system_error(errno, "make a socket for the terminal");
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = address();
  check(path.size() < sizeof name.sun_path, "a socket's path by descriptor is short");
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ::listen(listener_.get(), 1) != 0)
    throw system_error(errno, "listen for the terminal");
}

std::string ConsoleSocket::address() const {
  return fmt::format("/proc/{}/fd/{}/console", ::getpid(), directory_.get());
}

asio::awaitable<void> ConsoleSocket::pass_on(int client) const {
  co_await readable(listener_.get());
  const os::Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!peer) throw system_error(errno, "accept the terminal");
  co_await readable(peer.get());
  const os::Fd master = receive_descriptor(peer.get());
  if (master) send_descriptor(client, master);
}

}  // namespace kiln::sandbox
