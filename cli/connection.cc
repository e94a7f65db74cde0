#include "cli/connection.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "cli/errors.h"

namespace kiln::cli {

namespace {

constexpr std::size_t kMaxDescriptors = 253;  // SCM_MAX_FD of the kernel

/// sendmsg of one piece, with descriptors when there are any; -1 and errno as sendmsg.
ssize_t send_piece(int socket, std::string_view bytes, const std::vector<int>& descriptors) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: sendmsg only reads
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const std::size_t size_bytes = descriptors.size() * sizeof(int);
  std::vector<char> control(descriptors.empty() ? 0 : CMSG_SPACE(size_bytes));
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size_bytes);
    std::memcpy(CMSG_DATA(header), descriptors.data(), size_bytes);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

}  // namespace

std::optional<Connection> Connection::open(const std::string& socket_path) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw system_error(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path))
    throw ConnectionError("connect to {}: the path is too long for a Unix socket", socket_path);
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  while (::connect(socket.get(), generic, sizeof(address)) < 0) {
    const int error = errno;
    if (error == EINTR) continue;
    if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR) return std::nullopt;
    const bool refused = error == EACCES || error == EPERM;
    throw ConnectionError("connect to {}: {}{}", socket_path,
                          std::generic_category().message(error),
                          refused ? "; are you in the group that owns the socket (kiln)?" : "");
  }
  return Connection(std::move(socket));
}

void Connection::send(const Request& request) {
  if (request.descriptors.size() > kMaxDescriptors)
    throw Error(Errc::invalid_input, "{} files to pass to the daemon: {} is the most",
                request.descriptors.size(), kMaxDescriptors);
  const std::string text = serialize(request);
  std::string_view rest = text;
  bool first = true;
  while (!rest.empty()) {
    const ssize_t sent =
        send_piece(socket_.get(), rest, first ? request.descriptors : std::vector<int>());
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
    if (sent < 0)
      throw ConnectionError("send the request: {}", std::generic_category().message(errno));
    first = false;
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string Connection::receive() {
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (count > 0) return response_.feed({buffer.data(), static_cast<std::size_t>(count)});
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != ECONNRESET)
      throw ConnectionError("read the daemon's answer: {}", std::generic_category().message(errno));
    try {
      response_.feed_end();
    } catch (const Error& error) {
      throw ConnectionError("{}", error.what());
    }
    return {};
  }
}

}  // namespace kiln::cli
