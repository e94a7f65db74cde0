#include "cli/amounts.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <string>

#include "cli/errors.h"

namespace kiln::cli {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t value;
};

template <std::size_t N>
const Unit* find_unit(const std::array<Unit, N>& units, std::string_view name) {
  const auto* unit = std::ranges::find(units, name, &Unit::name);
  return unit == units.end() ? nullptr : unit;
}

}  // namespace

std::uint64_t parse_bytes(std::string_view flag, std::string_view text) {
  static constexpr std::array<Unit, 9> kUnits{{{"", 1},
                                               {"k", 1'000},
                                               {"m", 1'000'000},
                                               {"g", 1'000'000'000},
                                               {"t", 1'000'000'000'000},
                                               {"ki", 1LL << 10},
                                               {"mi", 1LL << 20},
                                               {"gi", 1LL << 30},
                                               {"ti", 1LL << 40}}};
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string name(rest, end);
  std::ranges::transform(name, name.begin(),
                         [](unsigned char letter) { return std::tolower(letter); });
  if (name.ends_with('b')) name.pop_back();
  const Unit* unit = find_unit(kUnits, name);
  if (error != std::errc() || unit == nullptr || number <= 0 ||
      number > std::numeric_limits<std::int64_t>::max() / unit->value) {
    throw UsageError("{} \"{}\": not a size such as 500MB, 10GB or 10GiB", flag, text);
  }
  return static_cast<std::uint64_t>(number * unit->value);
}

std::chrono::seconds parse_age(std::string_view flag, std::string_view text) {
  static constexpr std::array<Unit, 5> kUnits{
      {{"w", 604'800}, {"d", 86'400}, {"h", 3'600}, {"m", 60}, {"s", 1}}};
  constexpr std::int64_t kMost = 100LL * 366 * 86'400;
  const auto refuse = [&]() -> UsageError {
    return UsageError("{} \"{}\": not an age such as 14d, 24h or 1h30m", flag, text);
  };
  std::int64_t seconds = 0;
  std::string_view left = text;
  do {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(left.data(), left.data() + left.size(), number);
    if (error != std::errc() || number < 0) throw refuse();
    left.remove_prefix(static_cast<std::size_t>(end - left.data()));
    const Unit* unit = find_unit(kUnits, left.substr(0, 1));
    if (unit == nullptr || number > kMost / unit->value) throw refuse();
    seconds += number * unit->value;
    left.remove_prefix(1);
  } while (!left.empty());
  if (seconds == 0 || seconds > kMost) throw refuse();
  return std::chrono::seconds{seconds};
}

}  // namespace kiln::cli
