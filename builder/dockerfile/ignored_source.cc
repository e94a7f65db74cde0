#include "builder/dockerfile/ignored_source.h"

#include <algorithm>

namespace kiln::dockerfile {

namespace {

/// "" contains every path.
bool is_at_or_below(std::string_view path, std::string_view base) {
  if (base.empty() || path == base) return true;
  return path.starts_with(base) && path[base.size()] == '/';
}

/// The part of a pattern before its first element with a wildcard.
std::string_view literal_part(std::string_view pattern) {
  const std::size_t wildcard = pattern.find_first_of("*?[");
  if (wildcard == std::string_view::npos) return pattern;
  const std::size_t slash = pattern.substr(0, wildcard).rfind('/');
  return slash == std::string_view::npos ? "" : pattern.substr(0, slash);
}

/// True when `pattern` ("!" removed) may match something at or below `source`.
bool may_match_below(std::string_view pattern, std::string_view source) {
  const std::string_view literal = literal_part(pattern);
  if (is_at_or_below(literal, source)) return true;
  return literal.size() < pattern.size() && is_at_or_below(source, literal);
}

}  // namespace

bool is_ignored_source(const graph::PatternList& list,
                       const std::vector<std::string>& patterns,
                       std::string_view source) {
  if (list.empty()) return false;
  const bool whole = source == ".";
  const auto takes_all = [](std::string_view pattern) {
    return pattern == "*" || pattern == "**" || pattern == "**/*";
  };
  if (whole && std::ranges::none_of(patterns, takes_all)) return false;
  const auto includes_again = [&](std::string_view pattern) {
    return pattern.starts_with('!') && may_match_below(pattern.substr(1), whole ? "" : source);
  };
  if (std::ranges::any_of(patterns, includes_again)) return false;
  return whole || list.excludes(source);
}

}  // namespace kiln::dockerfile
