#include "builder/dockerfile/go_text.h"

#include <fmt/format.h>

#include "builder/dockerfile/durations.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// Near enough to Go's unicode.IsPrint.
bool is_printable(char32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  return c > 0xA0 && c != 0xAD && !is_space(c) && !(c >= 0x200B && c <= 0x200F) &&
         !(c >= 0x202A && c <= 0x202E) && !(c >= 0x2060 && c <= 0x206F) &&
         !(c >= 0xE000 && c <= 0xF8FF) && c != 0xFEFF;
}

std::string escaped(char32_t c) {
  static constexpr std::string_view kNamed = "abtnvfr";  // from 7 on
  if (c >= 7 && c <= 13) return {'\\', kNamed[c - 7]};
  if (c < 0x80) return fmt::format("\\x{:02x}", static_cast<unsigned>(c));
  if (c < 0x10000) return fmt::format("\\u{:04x}", static_cast<unsigned>(c));
  return fmt::format("\\U{:08x}", static_cast<unsigned>(c));
}

}  // namespace

std::optional<bool> parse_bool(std::string_view text) {
  for (const std::string_view word : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = decode_rune(text, at);
    const std::string_view bytes = text.substr(at, rune.size);
    at += rune.size;
    if (rune.value == Rune::kInvalid && rune.size == 1) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[0]));
    } else if (bytes == "\"" || bytes == "\\") {
      result += '\\';
      result += bytes;
    } else if (is_printable(rune.value)) {
      result += bytes;
    } else {
      result += escaped(rune.value);
    }
  }
  return result + "\"";
}

std::string quoted_list(const std::vector<std::string>& words) {
  std::vector<std::string> parts;
  for (const std::string& word : words)
    parts.push_back(quoted(word));
  return "[" + join(parts, " ") + "]";
}

std::string plain_list(const std::vector<std::string>& words) {
  return "[" + join(words, " ") + "]";
}

std::string fields_of(const oci::Healthcheck& check) {
  return fmt::format(
      "{{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
      plain_list(check.test), format_duration(check.interval_ns), format_duration(check.timeout_ns),
      format_duration(check.start_period_ns), format_duration(check.start_interval_ns),
      check.retries);
}

}  // namespace kiln::dockerfile
