// ^C as something to wait for, so that the terminal can be left in order.
#pragma once

#include <signal.h>

#include "cli/fd.h"

namespace kiln::cli {

/// While it lives, SIGINT, SIGTERM and SIGHUP (those that are not ignored) are read from fd()
/// instead of ending the process. One thread.
class Interrupts {
 public:
  Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  ~Interrupts();

  /// Becomes readable when a signal came.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Throws Interrupted when one came.
  void throw_if_pending() const;

 private:
  sigset_t before_{};
  Fd fd_;
};

}  // namespace kiln::cli
