#include "builder/graph/pattern.h"

#include <algorithm>

#include "builder/graph/glob_program.h"
#include "proto/error.h"

namespace kiln::graph {

namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// The shortest equal path, as Go's filepath.Clean.
std::string clean(std::string_view path) {
  std::vector<std::string_view> parts;
  const bool absolute = path.starts_with('/');
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, slash - at);
    at = slash + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!parts.empty() && parts.back() != "..") {
        parts.pop_back();
        continue;
      }
      if (absolute) continue;
    }
    parts.push_back(part);
  }
  std::string result = absolute ? "/" : "";
  for (const std::string_view part : parts) {
    if (!result.empty() && result.back() != '/') result += '/';
    result += part;
  }
  return result.empty() ? "." : result;
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view path, bool any_depth) {
  using enum GlobProgram::Dialect;
  return GlobProgram(pattern, any_depth ? ignore : glob).matches(path);
}

bool has_glob(std::string_view pattern) {
  return pattern.find_first_of("*?[\\") != std::string_view::npos;
}

PatternList::PatternList(const std::vector<std::string>& patterns) {
  patterns_.reserve(patterns.size());
  for (const std::string& given : patterns) {
    const std::string_view trimmed = trim(given);
    if (trimmed.empty()) {
      patterns_.emplace_back();
      continue;
    }
    const std::string text = clean(trimmed);
    const bool negated = text.starts_with('!');
    if (negated && text.size() == 1) {
      throw Error(Errc::invalid_input, "malformed pattern \"!\": it negates nothing");
    }
    patterns_.push_back(
        {std::make_shared<const GlobProgram>(std::string_view(text).substr(negated ? 1 : 0),
                                             GlobProgram::Dialect::ignore),
         negated});
  }
}

int PatternList::deciding_pattern(std::string_view path) const {
  for (std::size_t i = patterns_.size(); i-- > 0;) {
    const Pattern& pattern = patterns_[i];
    if (pattern.program && pattern.program->matches_with_parents(path)) return static_cast<int>(i);
  }
  return -1;
}

bool PatternList::excludes(std::string_view path) const {
  const int index = deciding_pattern(path);
  return index >= 0 && !patterns_[static_cast<std::size_t>(index)].negated;
}

bool PatternList::may_match_below(std::string_view path) const {
  return std::ranges::any_of(patterns_, [path](const Pattern& pattern) {
    return pattern.program && !pattern.negated && pattern.program->may_match_below(path);
  });
}

bool PatternList::excludes_subtree(std::string_view path) const {
  // The pattern that excludes the directory also matches all below it: only what comes after it
  // can decide otherwise.
  for (std::size_t i = patterns_.size(); i-- > 0;) {
    const Pattern& pattern = patterns_[i];
    if (!pattern.program) continue;
    if (pattern.negated) {
      if (pattern.program->may_match_below(path)) return false;
    } else if (pattern.program->matches_with_parents(path)) {
      return true;
    }
  }
  return false;
}

}  // namespace kiln::graph
