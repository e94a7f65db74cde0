#include "builder/dockerfile/shell_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

using Text = std::u32string;

/// A byte that is no UTF-8 is kept beyond all code points, so that it comes out as it went in.
constexpr char32_t kRawByte = 0x110000;
/// Stands for `?` in a piece.
constexpr char32_t kAnyOne = 0x120000;

Text decode(std::string_view text) {
  Text result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = decode_rune(text, at);
    const bool raw = rune.value == Rune::kInvalid && rune.size == 1;
    result += raw ? kRawByte + static_cast<unsigned char>(text[at]) : rune.value;
    at += rune.size;
  }
  return result;
}

void append(std::string& out, char32_t c) {
  const auto byte = [&](char32_t value) { out += static_cast<char>(value); };
  if (c >= kRawByte) {
    byte(c - kRawByte);
  } else if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

std::string encode(const Text& text, std::size_t begin, std::size_t end) {
  std::string result;
  for (std::size_t i = begin; i < end; ++i)
    append(result, text[i]);
  return result;
}

/// Pieces with a star between each two; "a*" is {"a", ""}.
class Pattern {
 public:
  explicit Pattern(std::string_view pattern) {
    const Text text = decode(pattern);
    pieces_.emplace_back();
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '*') {
        pieces_.emplace_back();
      } else if (text[i] == '?') {
        pieces_.back() += kAnyOne;
      } else if (text[i] == '\\') {
        literal_after_escape(pattern, text, ++i);
      } else {
        pieces_.back() += text[i];
      }
    }
  }

  void reverse() {
    std::ranges::reverse(pieces_);
    for (Text& piece : pieces_)
      std::ranges::reverse(piece);
  }

  /// The end of the match that begins at `begin`.
  [[nodiscard]] std::optional<std::size_t> match(const Text& value,
                                                 std::size_t begin,
                                                 Extent extent) const {
    if (!fits(pieces_.front(), value, begin)) return std::nullopt;
    std::size_t end = begin + pieces_.front().size();
    for (std::size_t i = 1; i < pieces_.size(); ++i) {
      const bool last = i + 1 == pieces_.size();
      const auto found = last && extent == Extent::longest ? find_last(pieces_[i], value, end)
                                                           : find_first(pieces_[i], value, end);
      if (!found) return std::nullopt;
      end = *found + pieces_[i].size();
    }
    return end;
  }

 private:
  /// source: only `*`, `?`, `\` may be escaped; `}` and `/` are, to get them into ${...}.
  void literal_after_escape(std::string_view pattern, const Text& text, std::size_t i) {
    const char32_t c = i < text.size() ? text[i] : U'\0';
    if (c != '*' && c != '?' && c != '\\' && c != '}' && c != '/') {
      const std::string what = i < text.size() ? encode(text, i, i + 1) : "";
      throw Mistake(fmt::format("invalid pattern ({}) in substitution: invalid escape '\\{}'",
                                pattern, what));
    }
    pieces_.back() += c;
  }

  static bool fits(const Text& piece, const Text& value, std::size_t at) {
    if (piece.size() > value.size() - at) return false;
    for (std::size_t i = 0; i < piece.size(); ++i) {
      const bool same = piece[i] == kAnyOne ? value[at + i] != '\n' : piece[i] == value[at + i];
      if (!same) return false;
    }
    return true;
  }

  /// What a star crosses from `from` on: as in BuildKit, never a line end.
  static std::optional<std::size_t> find_first(const Text& piece,
                                               const Text& value,
                                               std::size_t from) {
    for (std::size_t at = from; at <= value.size(); ++at) {
      if (fits(piece, value, at)) return at;
      if (at < value.size() && value[at] == '\n') break;
    }
    return std::nullopt;
  }
  static std::optional<std::size_t> find_last(const Text& piece,
                                              const Text& value,
                                              std::size_t from) {
    const std::size_t line_end = std::min(value.find(U'\n', from), value.size());
    for (std::size_t at = line_end + 1; at-- > from;) {
      if (fits(piece, value, at)) return at;
    }
    return std::nullopt;
  }

  std::vector<Text> pieces_;
};

}  // namespace

std::string trim_prefix(std::string_view pattern, std::string_view value, Extent extent) {
  const Text text = decode(value);
  const auto end = Pattern(pattern).match(text, 0, extent);
  return end ? encode(text, *end, text.size()) : std::string(value);
}

std::string trim_suffix(std::string_view pattern, std::string_view value, Extent extent) {
  Text text = decode(value);
  std::ranges::reverse(text);
  Pattern reversed(pattern);
  reversed.reverse();
  const auto end = reversed.match(text, 0, extent);
  if (!end) return std::string(value);
  std::ranges::reverse(text);
  return encode(text, 0, text.size() - *end);
}

std::string replace_matches(std::string_view pattern,
                            std::string_view value,
                            std::string_view replacement,
                            bool all) {
  const Text text = decode(value);
  const Pattern compiled(pattern);
  std::string result;
  std::optional<std::size_t> previous_end;
  std::size_t at = 0;
  while (at <= text.size()) {
    const auto end = compiled.match(text, at, Extent::longest);
    // An empty match that touches the one before does not count.
    if (end && !(*end == at && previous_end == at)) {
      result += replacement;
      previous_end = *end;
      if (!all) return result + encode(text, *end, text.size());
      if (*end > at) {
        at = *end;
        continue;
      }
    }
    if (at < text.size()) append(result, text[at]);
    ++at;
  }
  return result;
}

}  // namespace kiln::dockerfile
