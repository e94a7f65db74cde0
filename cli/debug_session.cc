#include "cli/debug_session.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "proto/error.h"

namespace kiln::cli {

namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;
/// The command is dead when draining begins, so this is never waited for but after a mistake.
constexpr int kDrainMs = 2000;

bool is_passing(int error) {
  return error == EAGAIN || error == EINTR;
}

void never_wait(int fd) {
  if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
    throw system_error(errno, "set O_NONBLOCK");
}

/// Ours and the command's end of a pipe.
std::pair<Fd, Fd> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error(errno, "pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

}  // namespace

pollfd Pump::want() const {
  if (!rest_.empty()) return {to_, POLLOUT, 0};
  return {from_, POLLIN, 0};  // a negative descriptor is skipped
}

void Pump::serve(short ready) {
  if (ready == 0) return;
  if (!rest_.empty()) {
    write_some();
  } else if (from_ >= 0) {
    read_some();
  }
}

void Pump::read_some() {
  std::array<char, kPieceBytes> piece;
  const ssize_t count = ::read(from_, piece.data(), piece.size());
  if (count < 0 && is_passing(errno)) return;
  // A terminal whose last user has gone says EIO.
  if (count < 0 && errno != EIO) throw system_error(errno, "read");
  if (count <= 0) {
    from_ = -1;
  } else {
    rest_.assign(piece.data(), static_cast<std::size_t>(count));
  }
}

void Pump::write_some() {
  const ssize_t count = ::write(to_, rest_.data(), rest_.size());
  if (count < 0 && is_passing(errno)) return;
  if (count < 0) {
    // Nobody reads any more: what is still to come is of no use.
    if (errno != EPIPE && errno != EIO) throw system_error(errno, "write");
    rest_.clear();
    from_ = -1;
    return;
  }
  rest_.erase(0, static_cast<std::size_t>(count));
}

DebugSession::DebugSession(bool terminal) : terminal_(terminal) {
  ::signal(SIGPIPE, SIG_IGN);
  if (terminal_) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
      throw system_error(errno, "socketpair");
    socket_ = Fd(ends[0]);
    lent_.emplace_back(ends[1]);
    return;
  }
  auto [in_read, in_write] = make_pipe();
  auto [out_read, out_write] = make_pipe();
  auto [err_read, err_write] = make_pipe();
  in_ = std::move(in_write);
  out_ = std::move(out_read);
  err_ = std::move(err_read);
  never_wait(in_.get());
  lent_.push_back(std::move(in_read));
  lent_.push_back(std::move(out_write));
  lent_.push_back(std::move(err_write));
  input_ = Pump(STDIN_FILENO, in_.get());
  outputs_ = {Pump(out_.get(), STDOUT_FILENO), Pump(err_.get(), STDERR_FILENO)};
}

DebugSession::~DebugSession() = default;

void DebugSession::lend(DebugRequest& request, std::vector<int>& descriptors) const {
  if (terminal_) {
    request.descriptors.emplace_back(role::kTerminal);
    const TerminalSize size = terminal_size(STDIN_FILENO);
    request.columns = size.columns;
    request.rows = size.rows;
    const char* term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): one thread
    if (term != nullptr) request.term = term;
  } else {
    for (const std::string_view one : {role::kStdin, role::kStdout, role::kStderr})
      request.descriptors.emplace_back(one);
  }
  for (const Fd& fd : lent_)
    descriptors.push_back(fd.get());
}

void DebugSession::want(std::vector<pollfd>& waiting) {
  lent_.clear();  // the daemon has them; ours would hide the end of the command's output
  if (input_.ended()) in_ = Fd();
  waiting.push_back({socket_.get(), POLLIN, 0});
  waiting.push_back({sizes_ ? sizes_->fd() : -1, POLLIN, 0});
  waiting.push_back(input_.want());
  for (const Pump& output : outputs_)
    waiting.push_back(output.want());
}

void DebugSession::serve(std::span<const pollfd> ready) {
  if (ready[1].revents != 0) {
    sizes_->take();
    set_terminal_size(master_.get(), terminal_size(STDIN_FILENO));
  }
  input_.serve(ready[2].revents);
  for (std::size_t i = 0; i < outputs_.size() && i + 3 < ready.size(); ++i)
    outputs_[i].serve(ready[i + 3].revents);
  if (ready[0].revents != 0) receive_master();
}

void DebugSession::receive_master() {
  char byte = 0;
  iovec piece{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  const cmsghdr* header = count > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  socket_ = Fd();
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return;  // the daemon says why
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  master_ = Fd(fd);
  never_wait(master_.get());
  sizes_.emplace();
  set_terminal_size(master_.get(), terminal_size(STDIN_FILENO));
  raw_.emplace(STDIN_FILENO);
  input_ = Pump(STDIN_FILENO, master_.get());
  outputs_ = {Pump(master_.get(), STDOUT_FILENO)};
}

void DebugSession::drain() {
  while (std::ranges::any_of(outputs_, [](const Pump& output) { return !output.ended(); })) {
    std::vector<pollfd> waiting;
    for (const Pump& output : outputs_)
      waiting.push_back(output.want());
    const int count = ::poll(waiting.data(), waiting.size(), kDrainMs);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    for (std::size_t i = 0; i < outputs_.size(); ++i)
      outputs_[i].serve(waiting[i].revents);
  }
  raw_.reset();
}

}  // namespace kiln::cli
