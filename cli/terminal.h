// The user's terminal: its size, and its raw mode for as long as another one is shown in it.
#pragma once

#include <signal.h>
#include <termios.h>

#include <cstdint>

#include "cli/fd.h"

namespace kiln::cli {

struct TerminalSize {
  std::uint16_t columns = 0;
  std::uint16_t rows = 0;
};

/// Zeros when `fd` is no terminal.
[[nodiscard]] TerminalSize terminal_size(int fd);
/// Gives the size to the terminal behind a master; who runs in it is told by SIGWINCH.
void set_terminal_size(int master, TerminalSize size);

/// While it lives, keys are passed on as they are typed, ^C too.
class RawMode {
 public:
  /// `fd` is a terminal. Throws Error.
  explicit RawMode(int fd);
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode();

 private:
  int fd_;
  termios before_{};
};

/// SIGWINCH as something to wait for. One thread.
class SizeChanges {
 public:
  SizeChanges();
  SizeChanges(const SizeChanges&) = delete;
  SizeChanges& operator=(const SizeChanges&) = delete;
  ~SizeChanges();

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Forgets those that came.
  void take() const;

 private:
  sigset_t before_{};
  Fd fd_;
};

}  // namespace kiln::cli
