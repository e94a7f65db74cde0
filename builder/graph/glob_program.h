// One path pattern, compiled: an automaton that is run over a path once, a bit a state.
//
// A run costs (states / 64) words a byte, so no pattern can be slow, and it says at every '/'
// whether the directory so far already matched. Immutable after construction; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace kiln::graph {

class GlobProgram {
 public:
  enum class Dialect {
    glob,    ///< Go's filepath.Match: `**` is `*` twice
    ignore,  ///< moby/patternmatcher: `**` crosses directories
  };

  /// Throws Error{invalid_input} naming a malformed pattern.
  GlobProgram(std::string_view pattern, Dialect dialect);

  [[nodiscard]] bool matches(std::string_view path) const;

  /// True when `path` or one of its parent directories matches.
  [[nodiscard]] bool matches_with_parents(std::string_view path) const;

  /// True when some path below the directory `path` could match.
  [[nodiscard]] bool may_match_below(std::string_view path) const;

 private:
  struct Range {
    char32_t first;
    char32_t last;
  };
  enum class Kind : std::uint8_t {
    literal,    ///< one byte
    any,        ///< one character but '/'
    star,       ///< any characters but '/'
    set,        ///< one character of a set, never '/'
    rest,       ///< any characters
    directory,  ///< any characters up to and with a '/'; skipped by the `fork` before it
    fork,       ///< nothing: goes on to the next state and to the one after
  };
  struct State {
    Kind kind;
    char byte = 0;
    bool negated = false;
    std::vector<Range> ranges;
  };
  using Bits = std::vector<std::uint64_t>;

  void compile_ignore_stars(std::string_view pattern, std::size_t& at);
  void compile_set(std::string_view pattern, std::size_t& at);
  void finish();
  [[nodiscard]] static bool accepts(const State& state, char32_t character);
  [[nodiscard]] Bits start() const;
  void step(Bits& active, std::string_view path, std::size_t& at, Bits& scratch) const;
  void spread(Bits& active) const;
  [[nodiscard]] bool accepting(const Bits& active) const;

  std::vector<State> states_;
  std::size_t words_ = 1;
  Bits skip_one_;  ///< states that may be left without input to the next one
  Bits skip_two_;  ///< and to the one after
  Bits stay_;      ///< states that keep running on any character but '/'
  Bits stay_slash_;
  Bits moves_;  ///< for each ASCII character, words_ words: the states that move on with it
  std::vector<std::size_t> wide_;  ///< states that can move on with a non-ASCII character
};

}  // namespace kiln::graph
