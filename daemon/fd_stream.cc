#include "daemon/fd_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace kiln::daemon {

namespace asio = boost::asio;

FdStream::FdStream(Socket socket) : socket_(std::move(socket)) {
  socket_.non_blocking(true);
}

std::size_t FdStream::receive(asio::mutable_buffer buffer, boost::system::error_code& error) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> control;
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();

  ssize_t count = -1;
  do {
    count = ::recvmsg(socket_.native_handle(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    error = errno == EAGAIN ? boost::system::error_code(asio::error::would_block)
                            : boost::system::error_code(errno, boost::system::system_category());
    return 0;
  }

  // First of all, so that no descriptor is ever without an owner.
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t size = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t index = 0; index < size; ++index) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + index * sizeof(int), sizeof fd);
      keep(fd);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) lost_ = true;
  if (count == 0 && buffer.size() != 0) error = asio::error::eof;
  return static_cast<std::size_t>(count);
}

void FdStream::keep(int fd) {
  os::Fd owned(fd);
  if (descriptors_.size() < kMaxDescriptors) {
    descriptors_.push_back(std::move(owned));
  } else {
    lost_ = true;
  }
}

}  // namespace kiln::daemon
