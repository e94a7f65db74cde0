#include "cli/text.h"

#include <fmt/format.h>

#include <array>
#include <ctime>
#include <utility>

namespace kiln::cli {

namespace {

struct Decoded {
  char32_t code = 0;
  std::size_t size_bytes = 1;
  bool valid = false;
};

/// The first code point of `text`, which is not empty; one byte when it is not UTF-8.
Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t size = lead >= 0xF0 && lead < 0xF5 ? 4
                           : lead >= 0xE0              ? 3
                           : lead >= 0xC2              ? 2
                                                       : 0;
  if (size == 0 || lead >= 0xF5 || text.size() < size) return {};
  char32_t code = lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {};
    code = code << 6U | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kSmallest[size] || code > 0x10FFFF || surrogate) return {};
  return {code, size, true};
}

using Range = std::pair<char32_t, char32_t>;

template <std::size_t N>
bool in(const std::array<Range, N>& ranges, char32_t code) {
  for (const auto& [first, last] : ranges) {
    if (code >= first && code <= last) return true;
  }
  return false;
}

/// C0 and C1 controls, DEL, and what reorders or hides text.
bool is_control(char32_t code) {
  static constexpr std::array<Range, 7> kRanges{{{0x00, 0x1F},
                                                 {0x7F, 0x9F},
                                                 {0x200E, 0x200F},
                                                 {0x2028, 0x202E},
                                                 {0x2066, 0x2069},
                                                 {0xFEFF, 0xFEFF},
                                                 {0xE0000, 0xE007F}}};
  return in(kRanges, code);
}

std::size_t width_of(char32_t code) {
  static constexpr std::array<Range, 5> kNone{
      {{0x300, 0x36F}, {0x200B, 0x200D}, {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}}};
  static constexpr std::array<Range, 9> kWide{{{0x1100, 0x115F},
                                               {0x231A, 0x231B},
                                               {0x2E80, 0xA4CF},
                                               {0xAC00, 0xD7A3},
                                               {0xF900, 0xFAFF},
                                               {0xFE30, 0xFE6F},
                                               {0xFF00, 0xFF60},
                                               {0x1F300, 0x1FAFF},
                                               {0x20000, 0x3FFFD}}};
  if (code < 0x300) return 1;
  return in(kNone, code) ? 0 : in(kWide, code) ? 2 : 1;
}

/// The size of the escape sequence that `text` begins with (ESC); all of it when it does not end.
/// source: ECMA-48 5.3-5.6
std::size_t escape_size(std::string_view text) {
  if (text.size() < 2) return text.size();
  const char kind = text[1];
  if (kind == '[') {  // CSI: parameters and intermediates, one final byte
    std::size_t end = 2;
    while (end < text.size() && text[end] >= 0x20 && text[end] <= 0x3F)
      ++end;
    return std::min(end + 1, text.size());
  }
  if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_') {  // until BEL or ST
    for (std::size_t i = 2; i < text.size(); ++i) {
      if (text[i] == '\a') return i + 1;
      if (text[i] == '\x1b' && i + 1 < text.size() && text[i + 1] == '\\') return i + 2;
    }
    return text.size();
  }
  std::size_t end = 1;  // intermediates, one final byte
  while (end < text.size() && text[end] >= 0x20 && text[end] <= 0x2F)
    ++end;
  return std::min(end + 1, text.size());
}

bool is_colour(std::string_view sequence) {
  return sequence.size() >= 3 && sequence[1] == '[' && sequence.back() == 'm' &&
         sequence.substr(2, sequence.size() - 3).find_first_not_of("0123456789;:") ==
             std::string_view::npos;
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{}B", bytes);
  constexpr std::array<const char*, 6> kUnits{"kB", "MB", "GB", "TB", "PB", "EB"};
  auto value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f}{}", value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, kUnits[unit]);
}

std::string human_seconds(std::chrono::milliseconds duration) {
  return fmt::format("{:.1f}s", static_cast<double>(duration.count()) / 1000);
}

std::string human_age(const std::string& rfc3339, std::int64_t now_s) {
  std::tm parts{};
  if (::strptime(rfc3339.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return rfc3339;
  const std::int64_t age_s = std::max<std::int64_t>(0, now_s - ::timegm(&parts));
  struct Unit {
    std::int64_t seconds;
    const char* name;
  };
  constexpr std::array<Unit, 6> kUnits{{{31536000, "year"},
                                        {2592000, "month"},
                                        {604800, "week"},
                                        {86400, "day"},
                                        {3600, "hour"},
                                        {60, "minute"}}};
  for (const Unit& unit : kUnits) {
    if (const std::int64_t count = age_s / unit.seconds; count > 0)
      return fmt::format("{} {}{} ago", count, unit.name, count == 1 ? "" : "s");
  }
  return fmt::format("{} second{} ago", age_s, age_s == 1 ? "" : "s");
}

std::string sanitize(std::string_view line, Colours colours) {
  std::string clean;
  bool coloured = false;
  while (!line.empty()) {
    if (line[0] == '\x1b') {
      const std::string_view sequence = line.substr(0, escape_size(line));
      if (colours == Colours::keep && is_colour(sequence)) {
        clean += sequence;
        coloured = true;
      }
      line.remove_prefix(sequence.size());
      continue;
    }
    const Decoded next = decode(line);
    if (next.code == '\t') {
      clean += "    ";
    } else if (!next.valid) {
      clean += "\uFFFD";
    } else if (!is_control(next.code)) {
      clean += line.substr(0, next.size_bytes);
    }
    line.remove_prefix(next.size_bytes);
  }
  if (coloured) clean += "\x1b[0m";
  return clean;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Decoded next = decode(text);
    width += width_of(next.code);
    text.remove_prefix(next.size_bytes);
  }
  return width;
}

std::string clip(std::string_view text, std::size_t columns) {
  std::size_t size = 0;
  for (std::size_t width = 0; size < text.size();) {
    const Decoded next = decode(text.substr(size));
    width += width_of(next.code);
    if (width > columns) break;
    size += next.size_bytes;
  }
  return std::string(text.substr(0, size));
}

std::vector<std::string> LineBuffer::add(std::string_view text) {
  std::vector<std::string> lines;
  for (;;) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    rest_.append(text.substr(0, end));
    if (rest_.ends_with('\r')) rest_.pop_back();
    lines.push_back(take_rest());
    text.remove_prefix(end + 1);
  }
  rest_.append(text);
  return lines;
}

}  // namespace kiln::cli
