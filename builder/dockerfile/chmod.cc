#include "builder/dockerfile/chmod.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

[[noreturn]] void malformed(std::string_view mode) {
  throw Mistake(fmt::format("invalid chmod parameter: '{}'", mode),
                "it should be an octal string between 0 and 07777, or symbolic like u=rwX,go=rX");
}

struct Who {
  std::uint32_t mask = 0;  ///< the rwx bits of those meant
  bool user = false;
  bool group = false;
  bool all = false;  ///< nobody was named
};

Who read_who(std::string_view clause, std::size_t& at) {
  Who who;
  for (; at < clause.size(); ++at) {
    const char c = clause[at];
    if (c == 'u' || c == 'a') who.user = true;
    if (c == 'g' || c == 'a') who.group = true;
    if (c == 'u') {
      who.mask |= 0700U;
    } else if (c == 'g') {
      who.mask |= 0070U;
    } else if (c == 'o') {
      who.mask |= 0007U;
    } else if (c == 'a') {
      who.mask |= 0777U;
    } else {
      break;
    }
  }
  if (at == 0) who = {0777U, true, true, true};
  return who;
}

/// The bits that one permission letter stands for, for everybody; 'u', 'g', 'o' copy.
std::uint32_t bits_of(char letter, std::uint32_t mode, const Who& who, std::string_view whole) {
  const auto spread = [](std::uint32_t triple) { return triple | triple << 3U | triple << 6U; };
  switch (letter) {
    case 'r':
      return 0444U & who.mask;
    case 'w':
      return 0222U & who.mask;
    case 'x':
      return 0111U & who.mask;
    case 'X':
      return (mode & 0111U) != 0 ? 0111U & who.mask : 0U;
    case 's':
      return (who.user ? 04000U : 0U) | (who.group ? 02000U : 0U);
    case 't':
      return 01000U;
    case 'u':
      return spread(mode >> 6U & 7U) & who.mask;
    case 'g':
      return spread(mode >> 3U & 7U) & who.mask;
    case 'o':
      return spread(mode & 7U) & who.mask;
    default:
      malformed(whole);
  }
}

std::uint32_t apply_clause(std::string_view clause, std::uint32_t mode, std::string_view whole) {
  std::size_t at = 0;
  const Who who = read_who(clause, at);
  if (at == clause.size()) malformed(whole);
  while (at < clause.size()) {
    const char action = clause[at++];
    if (action != '+' && action != '-' && action != '=') malformed(whole);
    std::uint32_t bits = 0;
    for (; at < clause.size() && clause[at] != '+' && clause[at] != '-' && clause[at] != '=';
         ++at) {
      bits |= bits_of(clause[at], mode, who, whole);
    }
    if (action == '-') {
      mode &= ~bits;
    } else {
      if (action == '=') {
        mode &= ~(who.mask | (who.user ? 04000U : 0U) | (who.group ? 02000U : 0U));
      }
      mode |= bits;
    }
  }
  return mode;
}

}  // namespace

std::uint32_t apply_chmod(std::string_view mode, std::uint32_t before) {
  if (mode.empty()) malformed(mode);
  if (std::ranges::all_of(mode, [](char c) { return c >= '0' && c <= '9'; })) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(mode.data(), mode.data() + mode.size(), value, 8);
    if (error != std::errc{} || end != mode.data() + mode.size() || value > 07777U) malformed(mode);
    return value;
  }
  std::uint32_t result = before;
  for (const std::string_view clause : split(mode, ','))
    result = apply_clause(clause, result, mode);
  return result;
}

}  // namespace kiln::dockerfile
