// Text for people: sizes, durations, and what may go to a terminal. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln::cli {

/// "0B", "999B", "1.23kB", "45.7MB": three digits, powers of 1000 as docker prints them.
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);

/// "0.1s", "12.3s".
[[nodiscard]] std::string human_seconds(std::chrono::milliseconds duration);

/// "3 minutes ago", from RFC 3339 and seconds since the epoch; the text itself when it is no time.
[[nodiscard]] std::string human_age(const std::string& rfc3339, std::int64_t now_s);

enum class Colours { remove, keep };

/// One line of foreign text made harmless for a terminal: escape sequences and control characters
/// are taken out (colours on demand kept), tabs become spaces, invalid UTF-8 becomes U+FFFD.
[[nodiscard]] std::string sanitize(std::string_view line, Colours colours = Colours::remove);

/// Terminal columns of sanitized text (East Asian wide characters count 2, combining ones 0).
[[nodiscard]] std::size_t display_width(std::string_view text);

/// The longest beginning of sanitized text that fits `columns`.
[[nodiscard]] std::string clip(std::string_view text, std::size_t columns);

/// The lines of text that arrives cut anywhere; what has no end yet stays here.
class LineBuffer {
 public:
  /// Takes more text; returns the lines that it completes, without their ends.
  std::vector<std::string> add(std::string_view text);
  /// The unfinished line, which is taken out.
  std::string take_rest() { return std::exchange(rest_, {}); }
  [[nodiscard]] const std::string& rest() const { return rest_; }

 private:
  std::string rest_;
};

}  // namespace kiln::cli
