// The one exception type of the project.
//
// Every failure a caller may act on is thrown as Error. Errc says what the caller can do about it;
// the message says what happened; each layer the error passes may put one line of context in front.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace kiln {

/// What a caller can do about a failure. The values cross the socket: never renumber.
enum class Errc {
  invalid_input = 1,  ///< the request is wrong: a Dockerfile, a flag, a reference; do not retry
  not_found = 2,      ///< a tag, a blob or a path does not exist
  denied = 3,         ///< credentials or permissions are missing
  unavailable = 4,    ///< a peer or device failed; a retry may help
  corrupt = 5,        ///< bytes do not match their digest or format
  cancelled = 6,      ///< the client went away or pressed ^C
  step_failed = 7,    ///< a RUN command exited non-zero
  internal = 8,       ///< a bug in this program
};

class Error : public std::exception {
 public:
  Error(Errc code, std::string message) : code_(code), text_(std::move(message)) {}

  template <class... Args>
  Error(Errc code, fmt::format_string<Args...> format, Args&&... args)
      : Error(code, fmt::format(format, std::forward<Args>(args)...)) {}

  [[nodiscard]] Errc code() const noexcept { return code_; }
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

  /// Puts "context: " in front of the message: the outermost layer ends up first.
  void add_context(std::string_view context) { text_ = fmt::format("{}: {}", context, text_); }

  /// For a failure whose cause is a disk without space.
  void set_disk_full() noexcept { disk_full_ = true; }
  /// Says which disk that was, `where` being a path on it, and what to do; the first to know
  /// speaks, and other failures stay as they are.
  void name_full_disk(std::string_view where, std::string_view advice) {
    if (!std::exchange(disk_full_, false)) return;
    text_ += fmt::format("; the disk of {} is full: {}", where, advice);
  }

 private:
  Errc code_;
  std::string text_;
  bool disk_full_ = false;
};

/// Error for a failed system call: "open /x: No such file or directory" (ENOENT is not_found).
[[nodiscard]] Error system_error(int errno_value, std::string_view what);

/// Throws Error{internal} when an invariant of this program does not hold. Always on.
inline void check(bool condition, std::string_view why) {
  if (!condition) throw Error(Errc::internal, "broken invariant: {}", why);
}

/// Runs body; an Error that leaves it carries `context` in front.
template <class Body>
auto within(std::string_view context, Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (Error& error) {
    error.add_context(context);
    throw;
  }
}

}  // namespace kiln
