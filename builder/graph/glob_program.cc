#include "builder/graph/glob_program.h"

#include <algorithm>

#include "proto/error.h"

namespace kiln::graph {

namespace {

constexpr std::size_t kAscii = 128;

struct Character {
  char32_t value;
  std::size_t size;
};

/// The character at `at`; a byte that is no UTF-8 stands for itself, beyond all code points.
Character decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 1;
  if (size == 1 || lead > 0xF4 || at + size > text.size()) return {0x110000U + lead, 1};
  char32_t value = lead & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return {0x110000U + lead, 1};
    value = value << 6U | (byte(at + i) & 0x3FU);
  }
  return {value, size};
}

void set_bit(std::vector<std::uint64_t>& bits, std::size_t index) {
  bits[index / 64] |= std::uint64_t{1} << (index % 64);
}
bool has_bit(const std::vector<std::uint64_t>& bits, std::size_t index) {
  return (bits[index / 64] >> (index % 64) & 1U) != 0;
}

[[noreturn]] void malformed(std::string_view pattern, std::string_view why) {
  throw Error(Errc::invalid_input, "malformed pattern \"{}\": {}", pattern, why);
}

/// True when nothing in `text` is special.
bool is_plain(std::string_view text) {
  return text.find_first_of("*?[]\\") == std::string_view::npos;
}

}  // namespace

GlobProgram::GlobProgram(std::string_view pattern, Dialect dialect) {
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c == '*' && dialect == Dialect::ignore && pattern.substr(at).starts_with("**")) {
      compile_ignore_stars(pattern, at);
    } else if (c == '*') {
      const bool repeated = !states_.empty() && states_.back().kind == Kind::star;
      if (!repeated) states_.push_back({Kind::star, 0, false, {}});
      ++at;
    } else if (c == '?') {
      states_.push_back({Kind::any, 0, false, {}});
      ++at;
    } else if (c == '[') {
      compile_set(pattern, at);
    } else {
      if (c == '\\' && ++at == pattern.size()) malformed(pattern, "it ends with an escape");
      states_.push_back({Kind::literal, pattern[at], false, {}});
      ++at;
    }
  }
  finish();
}

/// source: moby/patternmatcher: a trailing `**` takes everything, a leading one before plain text
/// without '/' any prefix, every other one whole directories.
void GlobProgram::compile_ignore_stars(std::string_view pattern, std::size_t& at) {
  const bool leading = at == 0;
  at += 2;
  const bool slash = at < pattern.size() && pattern[at] == '/';
  if (slash) ++at;
  const std::string_view tail = pattern.substr(at);
  if (tail.empty() || (leading && !slash && is_plain(tail))) {
    states_.push_back({Kind::rest, 0, false, {}});
  } else {
    states_.push_back({Kind::fork, 0, false, {}});
    states_.push_back({Kind::directory, 0, false, {}});
  }
}

/// source: Go path/filepath Match: '[' [ '^' ] { character-range } ']', never empty.
void GlobProgram::compile_set(std::string_view pattern, std::size_t& at) {
  State state{Kind::set, 0, false, {}};
  ++at;
  if (at < pattern.size() && pattern[at] == '^') {
    state.negated = true;
    ++at;
  }
  const auto member = [&]() -> char32_t {
    if (at >= pattern.size()) malformed(pattern, "[ without ]");
    if (pattern[at] == '-' || pattern[at] == ']') malformed(pattern, "a range lacks an end");
    if (pattern[at] == '\\' && ++at == pattern.size()) malformed(pattern, "[ without ]");
    const Character character = decode(pattern, at);
    at += character.size;
    return character.value;
  };
  while (true) {
    if (at < pattern.size() && pattern[at] == ']' && !state.ranges.empty()) break;
    const char32_t first = member();
    char32_t last = first;
    if (at < pattern.size() && pattern[at] == '-') {
      ++at;
      last = member();
    }
    state.ranges.push_back({first, last});
  }
  ++at;
  states_.push_back(std::move(state));
}

bool GlobProgram::accepts(const State& state, char32_t character) {
  switch (state.kind) {
    case Kind::literal:
      return character == static_cast<unsigned char>(state.byte) && character < 0x80;
    case Kind::any:
      return character != '/';
    case Kind::set:
      return character != '/' && std::ranges::any_of(state.ranges, [character](const Range& range) {
                                   return range.first <= character && character <= range.last;
                                 }) != state.negated;
    case Kind::directory:
      return character == '/';
    case Kind::star:
    case Kind::rest:
    case Kind::fork:
      return false;
  }
  return false;
}

void GlobProgram::finish() {
  words_ = states_.size() / 64 + 1;
  skip_one_ = skip_two_ = stay_ = stay_slash_ = Bits(words_);
  moves_ = Bits(kAscii * words_);
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const State& state = states_[i];
    const bool runs = state.kind == Kind::star || state.kind == Kind::rest;
    if (runs || state.kind == Kind::fork) set_bit(skip_one_, i);
    if (state.kind == Kind::fork) set_bit(skip_two_, i);
    if (runs || state.kind == Kind::directory) set_bit(stay_, i);
    if (state.kind == Kind::rest || state.kind == Kind::directory) set_bit(stay_slash_, i);
    for (char32_t c = 0; c < kAscii; ++c) {
      if (accepts(state, c)) set_bit(moves_, c * words_ * 64 + i);
    }
    const bool wide =
        state.kind == Kind::any || state.kind == Kind::set ||
        (state.kind == Kind::literal && static_cast<unsigned char>(state.byte) >= 0x80);
    if (wide) wide_.push_back(i);
  }
}

GlobProgram::Bits GlobProgram::start() const {
  Bits active(words_);
  set_bit(active, 0);
  spread(active);
  return active;
}

/// Adds what is reached without input. Skips only go forward, so it ends.
void GlobProgram::spread(Bits& active) const {
  for (bool changed = true; changed;) {
    changed = false;
    std::uint64_t carry_one = 0;
    std::uint64_t carry_two = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      const std::uint64_t one = active[w] & skip_one_[w];
      const std::uint64_t two = active[w] & skip_two_[w];
      const std::uint64_t more = active[w] | one << 1U | carry_one | two << 2U | carry_two;
      carry_one = one >> 63U;
      carry_two = two >> 62U;
      changed = changed || more != active[w];
      active[w] = more;
    }
  }
}

/// Takes the character at `at`. A literal byte of a longer character moves on byte by byte, which
/// only an equal character can complete, because every other state takes whole characters.
void GlobProgram::step(Bits& active, std::string_view path, std::size_t& at, Bits& scratch) const {
  const Character character = decode(path, at);
  const bool ascii = character.value < 0x80;
  const Bits& stay = ascii && character.value == '/' ? stay_slash_ : stay_;
  if (ascii) {
    const std::size_t moves = character.value * words_;
    std::uint64_t carry = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      const std::uint64_t moved = active[w] & moves_[moves + w];
      scratch[w] = moved << 1U | carry | (active[w] & stay[w]);
      carry = moved >> 63U;
    }
  } else {
    for (std::size_t w = 0; w < words_; ++w)
      scratch[w] = active[w] & stay[w];
    for (const std::size_t i : wide_) {
      if (!has_bit(active, i)) continue;
      if (states_[i].kind != Kind::literal) {
        if (accepts(states_[i], character.value)) set_bit(scratch, i + 1);
        continue;
      }
      std::size_t same = 0;
      while (same < character.size && i + same < states_.size() &&
             states_[i + same].kind == Kind::literal && states_[i + same].byte == path[at + same])
        ++same;
      if (same == character.size) set_bit(scratch, i + same);
    }
  }
  active.swap(scratch);
  spread(active);
  at += character.size;
}

bool GlobProgram::accepting(const Bits& active) const {
  return has_bit(active, states_.size());
}

bool GlobProgram::matches(std::string_view path) const {
  Bits active = start();
  Bits scratch(words_);
  for (std::size_t at = 0; at < path.size();)
    step(active, path, at, scratch);
  return accepting(active);
}

bool GlobProgram::matches_with_parents(std::string_view path) const {
  Bits active = start();
  Bits scratch(words_);
  for (std::size_t at = 0; at < path.size();) {
    if (path[at] == '/' && at > 0 && accepting(active)) return true;
    step(active, path, at, scratch);
  }
  return accepting(active);
}

bool GlobProgram::may_match_below(std::string_view path) const {
  Bits active = start();
  Bits scratch(words_);
  for (std::size_t at = 0; at < path.size();) {
    if (path[at] == '/' && at > 0 && accepting(active)) return true;
    step(active, path, at, scratch);
  }
  if (accepting(active)) return true;
  std::size_t at = 0;
  step(active, "/", at, scratch);
  return std::ranges::any_of(active, [](std::uint64_t word) { return word != 0; });
}

}  // namespace kiln::graph
