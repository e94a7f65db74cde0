#include "builder/graph/file_mode.h"

#include <algorithm>

#include "proto/error.h"

namespace kiln::graph {

namespace {

constexpr std::uint32_t kUser = 04700;
constexpr std::uint32_t kGroup = 02070;
constexpr std::uint32_t kOther = 00007;
constexpr std::uint32_t kAll = 06777;
constexpr std::uint32_t kSticky = 01000;
constexpr std::uint32_t kExecute = 00111;

/// Three bits for all classes at once.
constexpr std::uint32_t spread(std::uint32_t bits) {
  return bits << 6U | bits << 3U | bits;
}

constexpr bool is_operation(char c) {
  return c == '+' || c == '-' || c == '=';
}

[[noreturn]] void refuse(std::string_view text) {
  throw Error(Errc::invalid_input,
              "invalid mode \"{}\": want octal up to 7777, or symbolic such as u=rwX,go=rX", text);
}

std::uint32_t parse_octal(std::string_view text) {
  std::uint32_t mode = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') refuse(text);
    mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
    if (mode > 07777U) refuse(text);
  }
  return mode;
}

std::uint32_t parse_who(std::string_view text, std::size_t& at) {
  std::uint32_t who = 0;
  for (; at < text.size(); ++at) {
    switch (text[at]) {
      case 'u':
        who |= kUser;
        break;
      case 'g':
        who |= kGroup;
        break;
      case 'o':
        who |= kOther;
        break;
      case 'a':
        who |= kAll;
        break;
      default:
        return who;
    }
  }
  return who;
}

}  // namespace

ModeChange::Clause ModeChange::parse_clause(std::string_view whole,
                                            std::size_t& at,
                                            std::uint32_t who) {
  Clause clause;
  clause.who = who;
  clause.operation = whole[at++];
  // Neither bit means anything for others alone.
  const bool has_special = who == 0 || (who & (kUser | kGroup)) != 0;
  for (; at < whole.size() && whole[at] != ',' && !is_operation(whole[at]); ++at) {
    switch (whole[at]) {
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
        if (has_special) clause.bits |= 06000;
        break;
      case 't':
        clause.sticky = has_special;
        break;
      case 'u':
        clause.copy_from.push_back(6);
        break;
      case 'g':
        clause.copy_from.push_back(3);
        break;
      case 'o':
        clause.copy_from.push_back(0);
        break;
      default:
        refuse(whole);
    }
  }
  return clause;
}

ModeChange ModeChange::parse(std::string_view text) {
  ModeChange change;
  if (text.empty()) refuse(text);
  if (text.front() >= '0' && text.front() <= '9') {
    change.octal_ = parse_octal(text);
    return change;
  }
  for (std::size_t at = 0;; ++at) {
    const std::uint32_t who = parse_who(text, at);
    if (at == text.size() || !is_operation(text[at])) refuse(text);
    while (at < text.size() && is_operation(text[at]))
      change.clauses_.push_back(parse_clause(text, at, who));
    if (at == text.size()) return change;
  }
}

std::uint32_t ModeChange::apply(std::uint32_t mode, bool is_directory) const {
  if (clauses_.empty()) return octal_;
  mode &= 07777U;
  const bool executable = is_directory || (mode & kExecute) != 0;
  for (const Clause& clause : clauses_) {
    const std::uint32_t reach = clause.who != 0 ? clause.who : kAll;
    const std::uint32_t sticky = clause.sticky ? kSticky : 0U;
    std::uint32_t bits = clause.bits;
    if (clause.execute_if_any && executable) bits |= kExecute;
    for (const unsigned shift : clause.copy_from)
      bits |= spread(mode >> shift & 7U);
    bits = (bits & reach) | sticky;
    if (clause.operation == '+') {
      mode |= bits;
    } else if (clause.operation == '-') {
      mode &= ~bits;
    } else {
      // A copy of another class's bits says nothing about setuid and setgid.
      const bool copies = !clause.copy_from.empty() && clause.bits == 0;
      mode = (mode & ~((copies ? reach & 0777U : reach) | sticky)) | bits;
    }
  }
  return mode;
}

std::uint32_t ModeChange::made_directory_mode() const {
  return clauses_.empty() ? octal_ & 0777U : 0755U;
}

}  // namespace kiln::graph
