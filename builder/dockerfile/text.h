// Small text helpers that follow Go's rules where the Dockerfile language is defined by them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln::dockerfile {

/// A character of UTF-8 text; a byte that belongs to none is kInvalid of size 1.
struct Rune {
  static constexpr char32_t kInvalid = 0xFFFD;
  char32_t value = 0;
  std::size_t size = 0;
};

/// The character at `at`, which is inside `text`.
[[nodiscard]] Rune decode_rune(std::string_view text, std::size_t at);

/// source: Go unicode.IsSpace
[[nodiscard]] bool is_space(char32_t c);
/// Near enough to Go's unicode.IsLetter: by blocks, beyond ASCII.
[[nodiscard]] bool is_letter(char32_t c);
[[nodiscard]] bool is_digit(char32_t c);
/// The separators of the whitespace-delimited forms: never a line end.
[[nodiscard]] bool is_blank(char c);

[[nodiscard]] std::string_view trim_left(std::string_view text);
[[nodiscard]] std::string_view trim_right(std::string_view text);
[[nodiscard]] std::string_view trim(std::string_view text);

/// ASCII case only: instruction and stage names are ASCII.
[[nodiscard]] std::string lower(std::string_view text);
[[nodiscard]] std::string upper(std::string_view text);
[[nodiscard]] bool equal_fold(std::string_view a, std::string_view b);

[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// The shortest equal path. source: Go path.Clean
[[nodiscard]] std::string clean_path(std::string_view path);

}  // namespace kiln::dockerfile
