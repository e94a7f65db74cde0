#include "builder/dockerfile/numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// The power of 1024 of "k", "kb", "kib" and so on; nullopt for what is no unit.
std::optional<int> power_of(std::string_view unit) {
  constexpr std::string_view kPrefixes = "kmgtp";
  const std::string folded = lower(unit);
  if (folded.empty() || folded == "b") return 0;
  const std::size_t prefix = kPrefixes.find(folded[0]);
  const std::string_view rest = std::string_view(folded).substr(1);
  if (prefix == std::string_view::npos || (!rest.empty() && rest != "b" && rest != "ib"))
    return std::nullopt;
  return static_cast<int>(prefix) + 1;
}

}  // namespace

std::optional<std::uint32_t> parse_unsigned(std::string_view text, int base) {
  std::uint32_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value, base);
  if (text.empty() || error != std::errc{} || end != last) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const std::size_t last = text.find_last_of("0123456789. ");
  if (last == std::string_view::npos) return std::nullopt;
  const std::string_view number = text.substr(0, text[last] == ' ' ? last : last + 1);
  const auto power = power_of(text.substr(last + 1));
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (!power || number.empty() || error != std::errc{} || end != number.data() + number.size() ||
      value < 0) {
    return std::nullopt;
  }
  for (int i = 0; i < *power; ++i)
    value *= 1024;
  constexpr double kLimit = 9.2e18;  // below the largest signed number of 64 bits
  if (!(value < kLimit)) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

}  // namespace kiln::dockerfile
