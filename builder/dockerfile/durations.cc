#include "builder/dockerfile/durations.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
// Longer names first: "ms" is not "m" followed by "s".
constexpr Unit kUnits[] = {
    {"ns", 1},         {"us", 1'000},        {"\xC2\xB5s", 1'000},  {"\xCE\xBCs", 1'000},
    {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}};

std::string without_trailing_zeros(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  while (text.ends_with('0'))
    text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace

std::int64_t parse_duration(std::string_view text) {
  const auto bad = [text] {
    return Mistake(fmt::format("invalid duration \"{}\"", text), "write it like 30s or 1m30s");
  };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return 0;
  if (rest.empty()) throw bad();
  long double total = 0;
  while (!rest.empty()) {
    long double number = 0;
    long double scale = 1;
    bool digits = false;
    bool fraction = false;
    while (!rest.empty() && (is_digit(static_cast<unsigned char>(rest[0])) || rest[0] == '.')) {
      if (rest[0] == '.') {
        if (fraction) throw bad();
        fraction = true;
      } else {
        digits = true;
        number = number * 10 + (rest[0] - '0');
        if (fraction) scale *= 10;
      }
      rest.remove_prefix(1);
    }
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits) {
      if (rest.starts_with(candidate.name)) {
        unit = &candidate;
        break;
      }
    }
    if (!digits || !unit) throw bad();
    rest.remove_prefix(unit->name.size());
    total += number / scale * static_cast<long double>(unit->nanoseconds);
    if (!(total < static_cast<long double>(std::numeric_limits<std::int64_t>::max()))) throw bad();
  }
  const auto result = static_cast<std::int64_t>(total);
  return negative ? -result : result;
}

std::string format_duration(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  const std::string sign = nanoseconds < 0 ? "-" : "";
  const std::uint64_t n = nanoseconds < 0 ? 0 - static_cast<std::uint64_t>(nanoseconds)
                                          : static_cast<std::uint64_t>(nanoseconds);
  const auto small = [&](std::uint64_t unit, int digits, std::string_view name) {
    return sign + without_trailing_zeros(fmt::format("{}.{:0{}}", n / unit, n % unit, digits)) +
           std::string(name);
  };
  if (n < 1'000) return sign + fmt::format("{}ns", n);
  if (n < 1'000'000) return small(1'000, 3, "\xC2\xB5s");
  if (n < 1'000'000'000) return small(1'000'000, 6, "ms");
  const std::uint64_t seconds = n / 1'000'000'000;
  std::string text =
      without_trailing_zeros(fmt::format("{}.{:09}", seconds % 60, n % 1'000'000'000));
  text += "s";
  if (seconds >= 60) text = fmt::format("{}m{}", seconds / 60 % 60, text);
  if (seconds >= 3'600) text = fmt::format("{}h{}", seconds / 3'600, text);
  return sign + text;
}

}  // namespace kiln::dockerfile
