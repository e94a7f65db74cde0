// A Unix stream socket whose reads also take the file descriptors that the peer passes.
//
// Models Asio's AsyncReadStream and AsyncWriteStream, so Beast reads HTTP from it. Descriptors are
// close-on-exec from the first moment, and nobody's until take_descriptors(): those not taken are
// closed with the stream. Thread: the event loop's. Must not move while an operation is pending.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <utility>
#include <vector>

#include "builder/os/fd.h"

namespace kiln::daemon {

/// The most descriptors one request may carry. source: SCM_MAX_FD, include/net/scm.h; PROTOCOL.md
inline constexpr std::size_t kMaxDescriptors = 253;

class FdStream {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;
  using executor_type = Socket::executor_type;

  explicit FdStream(Socket socket);

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() noexcept { return socket_; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token);

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return socket_.async_write_some(buffers, std::forward<Token>(token));
  }

  /// What came with the bytes read since the last call, in order.
  [[nodiscard]] std::vector<os::Fd> take_descriptors() { return std::exchange(descriptors_, {}); }

  /// True when descriptors were sent that did not get here: over kMaxDescriptors, or over this
  /// process's limit of open files. Reset by the call.
  [[nodiscard]] bool take_loss() noexcept { return std::exchange(lost_, false); }

 private:
  struct ReadOp;
  /// One recvmsg without waiting; 0 with eof at the end.
  std::size_t receive(boost::asio::mutable_buffer buffer, boost::system::error_code& error);
  void keep(int fd);

  Socket socket_;
  std::vector<os::Fd> descriptors_;
  bool lost_ = false;
};

/// Waits until the socket is readable, receives, and waits again when that was a false alarm.
struct FdStream::ReadOp {
  FdStream& stream;
  boost::asio::mutable_buffer buffer;
  bool waited = false;

  template <class Self>
  void operator()(Self& self, boost::system::error_code error = {}) {
    if (error) return self.complete(error, 0);
    if (waited) {
      const std::size_t count = stream.receive(buffer, error);
      if (error != boost::asio::error::would_block) return self.complete(error, count);
    }
    waited = true;
    stream.socket_.async_wait(Socket::wait_read, std::move(self));
  }
};

template <class Buffers, class Token>
auto FdStream::async_read_some(const Buffers& buffers, Token&& token) {
  boost::asio::mutable_buffer first;
  for (auto next = boost::asio::buffer_sequence_begin(buffers);
       first.size() == 0 && next != boost::asio::buffer_sequence_end(buffers); ++next) {
    first = *next;
  }
  return boost::asio::async_compose<Token, void(boost::system::error_code, std::size_t)>(
      ReadOp{*this, first}, token, socket_);
}

}  // namespace kiln::daemon
