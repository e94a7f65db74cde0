#include "builder/ops/file_mode.h"

#include <algorithm>

#include "proto/error.h"

namespace kiln::ops {

namespace {

constexpr std::uint32_t kUser = 04700;
constexpr std::uint32_t kGroup = 02070;
constexpr std::uint32_t kOther = 01007;
constexpr std::uint32_t kAll = 07777;

/// Three bits for all classes at once.
constexpr std::uint32_t spread(std::uint32_t bits) {
  return bits << 6U | bits << 3U | bits;
}

[[noreturn]] void refuse(std::string_view text) {
  throw Error(Errc::invalid_input,
              "invalid mode \"{}\": want octal up to 7777, or symbolic such as u=rwX,go=rX", text);
}

}  // namespace

ModeChange ModeChange::parse(std::string_view text) {
  ModeChange change;
  const bool octal =
      !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '7'; });
  if (octal) {
    std::uint32_t mode = 0;
    for (const char c : text) {
      mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
      if (mode > kAll) refuse(text);
    }
    change.clauses_.push_back({kAll, '=', mode, false, -1});
    return change;
  }
  for (std::size_t at = 0; at < text.size();) {
    std::uint32_t who = 0;
    for (; at < text.size(); ++at) {
      if (text[at] == 'u') {
        who |= kUser;
      } else if (text[at] == 'g') {
        who |= kGroup;
      } else if (text[at] == 'o') {
        who |= kOther;
      } else if (text[at] == 'a') {
        who |= kAll;
      } else {
        break;
      }
    }
    if (who == 0) who = kAll;
    if (at == text.size() || std::string_view("+-=").find(text[at]) == std::string_view::npos)
      refuse(text);
    while (at < text.size() && std::string_view("+-=").find(text[at]) != std::string_view::npos) {
      Clause clause{who, text[at++], 0, false, -1};
      for (; at < text.size() && std::string_view(",+-=").find(text[at]) == std::string_view::npos;
           ++at) {
        switch (text[at]) {
          case 'r':
            clause.bits |= spread(4);
            break;
          case 'w':
            clause.bits |= spread(2);
            break;
          case 'x':
            clause.bits |= spread(1);
            break;
          case 'X':
            clause.execute_if_any = true;
            break;
          case 's':
            clause.bits |= 06000;
            break;
          case 't':
            clause.bits |= 01000;
            break;
          case 'u':
            clause.copy_from = 6;
            break;
          case 'g':
            clause.copy_from = 3;
            break;
          case 'o':
            clause.copy_from = 0;
            break;
          default:
            refuse(text);
        }
      }
      change.clauses_.push_back(clause);
    }
    if (at == text.size()) break;
    if (++at == text.size()) refuse(text);  // a comma at the end
  }
  if (change.clauses_.empty()) refuse(text);
  return change;
}

std::uint32_t ModeChange::apply(std::uint32_t mode, bool is_directory) const {
  mode &= kAll;
  for (const Clause& clause : clauses_) {
    std::uint32_t bits = clause.bits;
    if (clause.execute_if_any && (is_directory || (mode & 0111U) != 0)) bits |= spread(1);
    if (clause.copy_from >= 0) bits |= spread(mode >> static_cast<unsigned>(clause.copy_from) & 7U);
    bits &= clause.who;
    if (clause.operation == '+') {
      mode |= bits;
    } else if (clause.operation == '-') {
      mode &= ~bits;
    } else {
      mode = (mode & ~clause.who) | bits;
    }
  }
  return mode;
}

}  // namespace kiln::ops
