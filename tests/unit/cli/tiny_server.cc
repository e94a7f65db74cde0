#include "tests/unit/cli/tiny_server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace kiln::cli::test {

namespace {

/// Reads more bytes into `text`; false at the end.
bool receive(int socket, std::string& text, std::vector<Fd>* descriptors) {
  std::array<char, 4096> buffer;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(64 * sizeof(int))> control;
  iovec piece{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (count <= 0) return false;
  text.append(buffer.data(), static_cast<std::size_t>(count));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    std::vector<int> numbers((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(numbers.data(), CMSG_DATA(header), numbers.size() * sizeof(int));
    for (const int number : numbers) {
      Fd fd(number);
      if (descriptors != nullptr) descriptors->push_back(std::move(fd));
    }
  }
  return true;
}

std::size_t content_length(const std::string& head) {
  constexpr std::string_view kName = "Content-Length: ";
  const std::size_t found = head.find(kName);
  return found == std::string::npos ? 0 : std::stoul(head.substr(found + kName.size()));
}

bool read_request(int socket, ReceivedRequest& request) {
  std::string text;
  std::size_t end = std::string::npos;
  bool first = true;
  while ((end = text.find("\r\n\r\n")) == std::string::npos) {
    if (!receive(socket, text, first ? &request.descriptors : nullptr)) return false;
    first = false;
  }
  request.head = text.substr(0, end + 2);
  request.line = text.substr(0, text.find("\r\n"));
  request.body = text.substr(end + 4);
  while (request.body.size() < content_length(request.head)) {
    if (!receive(socket, request.body, nullptr)) return false;
  }
  return true;
}

}  // namespace

TinyServer::TinyServer(const std::string& socket_path, Handler handler)
    : handler_(std::move(handler)), listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0 ||
      ::listen(listener_.get(), 8) < 0)
    throw std::runtime_error("the test's server cannot listen on " + socket_path);
  acceptor_ = std::jthread([this] { accept_all(); });
}

TinyServer::~TinyServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  connections_.clear();
}

void TinyServer::settle() {
  std::vector<std::jthread> answered;
  {
    const std::lock_guard lock(mutex_);
    answered.swap(connections_);
  }
  answered.clear();  // joins
}

void TinyServer::accept_all() {
  for (;;) {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return;
    const std::lock_guard lock(mutex_);
    connections_.emplace_back([this, socket = std::move(socket)] {
      ReceivedRequest request;
      if (read_request(socket.get(), request)) handler_(request, socket.get());
    });
  }
}

std::string answer(std::string_view body, std::string_view status) {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", status,
      body.size(), body);
}

std::string stream_head() {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: "
         "chunked\r\n\r\n";
}

std::string chunk(std::string_view body) {
  return fmt::format("{:x}\r\n{}\r\n", body.size(), body);
}

}  // namespace kiln::cli::test
