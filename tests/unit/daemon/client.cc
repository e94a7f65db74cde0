#include "tests/unit/daemon/client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <boost/asio/executor_work_guard.hpp>
#include <cerrno>
#include <cstring>

#include "proto/error.h"

namespace kiln::daemon::test {

namespace {

/// Takes one body in chunks from the front of `bytes`; nullopt when more bytes are needed.
std::optional<std::string> take_chunks(std::string& bytes) {
  std::string body;
  std::size_t at = 0;
  while (true) {
    const std::size_t end = bytes.find("\r\n", at);
    if (end == std::string::npos) return std::nullopt;
    const std::size_t size = std::stoul(bytes.substr(at, end - at), nullptr, 16);
    if (bytes.size() < end + 2 + size + 2) return std::nullopt;
    body += bytes.substr(end + 2, size);
    at = end + 2 + size + 2;
    if (size == 0) break;
  }
  bytes.erase(0, at);
  return body;
}

}  // namespace

Client::Client(const std::filesystem::path& path)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw system_error(errno, "connect to " + path.string());
  }
  const timeval limit{10, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

void Client::send(std::string_view bytes, const std::vector<int>& descriptors) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
  }
  ASSERT_EQ(::sendmsg(socket_.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()))
      << std::strerror(errno);
}

bool Client::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool Client::fill() {
  std::vector<char> piece(64 * 1024);
  const ssize_t count = ::recv(socket_.get(), piece.data(), piece.size(), 0);
  if (count < 0 && errno != ECONNRESET) {
    ADD_FAILURE() << "receive: " << std::strerror(errno);
  }
  if (count > 0) buffer_.append(piece.data(), static_cast<std::size_t>(count));
  return count > 0;
}

Answer Client::receive() {
  Answer answer;
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return answer;
  }
  answer.head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  answer.status = std::stoi(answer.head.substr(9, 3));
  if (answer.head.find("chunked") != std::string::npos) {
    std::optional<std::string> body;
    while (!(body = take_chunks(buffer_))) {
      if (!fill()) {
        answer.body = std::exchange(buffer_, {});
        return answer;
      }
    }
    answer.body = *body;
  } else if (const auto at = answer.head.find("Content-Length: "); at != std::string::npos) {
    const std::size_t size = std::stoul(answer.head.substr(at + 16));
    while (buffer_.size() < size) {
      if (!fill()) return answer;
    }
    answer.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
  }
  answer.complete = true;
  return answer;
}

std::string Client::receive_until(std::string_view text) {
  while (buffer_.find(text) == std::string::npos) {
    if (!fill()) break;
  }
  return buffer_;
}

bool Client::at_end() {
  return buffer_.empty() && !fill();
}

void Client::shut_down_sending() {
  ::shutdown(socket_.get(), SHUT_WR);
}

std::string get(std::string_view target) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: kiln\r\n\r\n", target);
}

std::string post(std::string_view target, std::string_view body) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: kiln\r\nContent-Length: {}\r\n\r\n{}", target,
                     body.size(), body);
}

TestServer::TestServer(const Routes& routes, EventQueue::Limits limits)
    : server_(io_.get_executor(), routes, std::move(limits)) {
  start_logging(LogLevel::error);
  server_.add(Listener::open(io_.get_executor(), path(), std::nullopt));
  server_.start();
  thread_ = std::thread([this] { io_.run(); });
}

TestServer::~TestServer() {
  drain(std::chrono::milliseconds{0});
  thread_.join();
}

void TestServer::drain(std::chrono::milliseconds grace) {
  if (std::exchange(drained_, true)) return;
  boost::asio::co_spawn(io_, server_.drain(grace), boost::asio::use_future).get();
}

}  // namespace kiln::daemon::test
