// The operator's log: one line a message on stderr, for journald with its priority in front.
//
// Clients get events instead (proto/messages.h). Never given a secret, a token or a build argument.
// Any thread.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace kiln::daemon {

/// error: someone must act; warn: worked around; info: once a build or lifecycle; debug: once a
/// request; trace: more.
enum class LogLevel { trace, debug, info, warn, error };

/// The level that a word names; throws Error{invalid_input} listing the words.
[[nodiscard]] LogLevel parse_log_level(std::string_view word);
[[nodiscard]] std::string_view to_word(LogLevel level);

/// Sets what is logged from now on. Detects journald by JOURNAL_STREAM (systemd.exec(5)): lines
/// then carry "<priority>" and no time.
void start_logging(LogLevel level);

/// Where a part of the daemon logs: a prefix, e.g. "[r12 uid 1000] ". Cheap to copy.
class Log {
 public:
  Log() = default;
  explicit Log(std::string prefix) : prefix_(std::move(prefix)) {}

  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    write(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    write(LogLevel::warn, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    write(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    write(LogLevel::debug, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  void write(LogLevel level, std::string_view text) const;
  std::string prefix_;
};

/// `text` on one line: control characters as \n, \t or \xNN, so that what a client sends can't
/// forge lines.
[[nodiscard]] std::string one_line(std::string_view text);

}  // namespace kiln::daemon
