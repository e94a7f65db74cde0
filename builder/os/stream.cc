#include "builder/os/stream.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "proto/error.h"

namespace kiln::os {

namespace {

Fd make_wake() {
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) throw system_error(errno, "eventfd");
  return wake;
}

}  // namespace

StreamSource::StreamSource(Fd fd, std::string name, std::stop_token stop)
    : fd_(std::move(fd)),
      name_(std::move(name)),
      stop_(std::move(stop)),
      wake_(make_wake()),
      on_stop_(stop_, [wake = wake_.get()] { ::eventfd_write(wake, 1); }) {}

std::size_t StreamSource::read(MutableBytes buffer) {
  while (true) {
    if (stop_.stop_requested()) throw Error(Errc::cancelled, "read {}: cancelled", name_);
    std::array<pollfd, 2> waiting{{{fd_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, "wait for " + name_);
    }
    if (waiting[0].revents == 0) continue;
    const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    // Another process may share the pipe, and have been faster.
    if (errno != EINTR && errno != EAGAIN) throw system_error(errno, "read " + name_);
  }
}

}  // namespace kiln::os
