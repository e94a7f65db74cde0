#include "cli/interrupts.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "cli/errors.h"

namespace kiln::cli {

Interrupts::Interrupts() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action{};
    // Who started us with a signal ignored (nohup, a shell's background job) wants it ignored.
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN)
      sigaddset(&set, signal);
  }
  fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw system_error(errno, "signalfd");
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, &before_); error != 0)
    throw system_error(error, "pthread_sigmask");
}

Interrupts::~Interrupts() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Interrupts::throw_if_pending() const {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info)))
    throw Interrupted{static_cast<int>(info.ssi_signo)};
}

}  // namespace kiln::cli
