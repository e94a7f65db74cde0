// Path patterns: the ignore patterns of .dockerignore and --exclude, and the globs of COPY sources.
//
// Matching takes time linear in pattern and path (no exponential backtracking), whatever they
// contain.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::graph {

class GlobProgram;  // glob_program.h

/// Matches one glob against a whole slash-separated relative path, as Go's filepath.Match does:
/// `*`, `?` and `[...]` do not cross '/'. With `any_depth`, a `**` component matches any number of
/// directories. Throws Error{invalid_input} for a malformed pattern ("[a").
[[nodiscard]] bool matches_glob(std::string_view pattern,
                                std::string_view path,
                                bool any_depth = false);

/// True when the text has a character that matches_glob treats specially.
[[nodiscard]] bool has_glob(std::string_view pattern);

/// An ordered list of ignore patterns: the last one that matches a path or one of its parents wins.
/// source: moby/patternmatcher, as .dockerignore documents it.
class PatternList {
 public:
  PatternList() = default;
  /// Throws Error{invalid_input} naming the pattern that is malformed.
  explicit PatternList(const std::vector<std::string>& patterns);

  /// True when `path` (relative, slash-separated, clean) is excluded.
  [[nodiscard]] bool excludes(std::string_view path) const;

  /// True when nothing below the excluded directory `path` can be re-included, so that a walk may
  /// skip it.
  [[nodiscard]] bool excludes_subtree(std::string_view path) const;

  /// True when some path below the directory `path` could match a pattern that is not negated.
  [[nodiscard]] bool may_match_below(std::string_view path) const;

  /// Index into the given patterns of the one that decides about `path`, or -1.
  [[nodiscard]] int deciding_pattern(std::string_view path) const;

  [[nodiscard]] bool empty() const noexcept { return patterns_.empty(); }

 private:
  struct Pattern {
    std::shared_ptr<const GlobProgram> program;  ///< null for a blank line, which matches nothing
    bool negated = false;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace kiln::graph
