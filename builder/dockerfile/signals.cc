#include "builder/dockerfile/signals.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <string>

#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

constexpr std::string_view kNames[] = {
    "ABRT",   "ALRM",   "BUS",   "CHLD", "CLD",  "CONT",  "FPE",  "HUP",  "ILL",  "INT",
    "IO",     "IOT",    "KILL",  "PIPE", "POLL", "PROF",  "PWR",  "QUIT", "SEGV", "STKFLT",
    "STOP",   "SYS",    "TERM",  "TRAP", "TSTP", "TTIN",  "TTOU", "URG",  "USR1", "USR2",
    "UNUSED", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX"};

/// A number from `first` to `last` and nothing else.
bool is_number(std::string_view text, int first, int last) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number >= first &&
         number <= last;
}

}  // namespace

bool is_signal(std::string_view text) {
  // Any number but 0, as moby/sys/signal has it.
  if (is_number(text, INT_MIN, -1) || is_number(text, 1, INT_MAX)) return true;
  if (text.starts_with('+') && is_number(text.substr(1), 1, INT_MAX)) return true;
  const std::string name = upper(text);
  std::string_view rest = name;
  if (rest.starts_with("SIG")) rest.remove_prefix(3);
  if (std::ranges::find(kNames, rest) != std::end(kNames)) return true;
  if (rest.starts_with("RTMIN+")) return is_number(rest.substr(6), 1, 15);
  if (rest.starts_with("RTMAX-")) return is_number(rest.substr(6), 1, 14);
  return false;
}

}  // namespace kiln::dockerfile
