#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "proto/error.h"

namespace kiln::cli {

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_col, size.ws_row};
}

void set_terminal_size(int master, TerminalSize size) {
  winsize wanted{};
  wanted.ws_col = size.columns;
  wanted.ws_row = size.rows;
  if (::ioctl(master, TIOCSWINSZ, &wanted) != 0)
    throw system_error(errno, "set the terminal's size");
}

RawMode::RawMode(int fd) : fd_(fd) {
  if (::tcgetattr(fd_, &before_) != 0) throw system_error(errno, "read the terminal's mode");
  termios raw = before_;
  ::cfmakeraw(&raw);
  if (::tcsetattr(fd_, TCSADRAIN, &raw) != 0) throw system_error(errno, "set the terminal's mode");
}

RawMode::~RawMode() {
  ::tcsetattr(fd_, TCSADRAIN, &before_);
}

SizeChanges::SizeChanges() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGWINCH);
  fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw system_error(errno, "signalfd");
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, &before_); error != 0)
    throw system_error(error, "pthread_sigmask");
}

SizeChanges::~SizeChanges() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void SizeChanges::take() const {
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
  }
}

}  // namespace kiln::cli
