// What ends a command early, by exit code. Any other Error is exit code 1.
#pragma once

#include "proto/error.h"

namespace kiln::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitMisuse = 2;
inline constexpr int kExitNoDaemon = 3;

/// The command line is wrong: exit code 2.
class UsageError : public Error {
 public:
  template <class... Args>
  explicit UsageError(fmt::format_string<Args...> format, Args&&... args)
      : Error(Errc::invalid_input, format, std::forward<Args>(args)...) {}
};

/// No daemon answers, or the connection broke: exit code 3.
class ConnectionError : public Error {
 public:
  template <class... Args>
  explicit ConnectionError(fmt::format_string<Args...> format, Args&&... args)
      : Error(Errc::unavailable, format, std::forward<Args>(args)...) {}
};

/// A signal asked this process to end: exit code 128 + signal, without a message.
struct Interrupted {
  int signal = 0;
};

}  // namespace kiln::cli
