#include "builder/dockerfile/expand.h"

#include <fmt/format.h>

#include <algorithm>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/shell_pattern.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// Deeper nesting of ${...} is an attack on the stack.
constexpr int kMaxDepth = 64;

/// Splits at blanks that were not quoted.
class Words {
 public:
  void add(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const Rune rune = decode_rune(text, at);
      if (!is_space(rune.value)) {
        add_raw(text.substr(at, rune.size));
      } else if (in_word_ && !word_.empty()) {
        end_word();
      }
      at += rune.size;
    }
  }
  void add_raw(std::string_view text) {
    word_ += text;
    in_word_ = true;
  }
  [[nodiscard]] std::vector<std::string> take() {
    if (!word_.empty()) end_word();
    return std::move(words_);
  }

 private:
  void end_word() {
    words_.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }

  std::string word_;
  std::vector<std::string> words_;
  bool in_word_ = false;
};

class Expander {
 public:
  Expander(std::string_view word, const Environment& environment, const ExpandMode& mode)
      : source_(word), environment_(environment), mode_(mode) {}

  [[nodiscard]] Expansion run() {
    try {
      Words words;
      result_.text = until(std::nullopt, mode_.keep_escapes, &words);
      result_.words = words.take();
    } catch (const Mistake& mistake) {
      throw Mistake(fmt::format("failed to process \"{}\": {}", source_, mistake.message()),
                    mistake.hint());
    }
    return std::move(result_);
  }

 private:
  [[nodiscard]] bool done() const { return at_ >= source_.size(); }
  [[nodiscard]] bool sees(char c) const { return !done() && source_[at_] == c; }
  std::string_view next() {
    const std::size_t size = decode_rune(source_, at_).size;
    at_ += size;
    return source_.substr(at_ - size, size);
  }

  /// Everything up to `stop`, which is taken too, or to the end.
  std::string until(std::optional<char> stop, bool keep_escapes, Words* words) {
    std::string text;
    while (!done()) {
      if (stop && sees(*stop)) {
        ++at_;
        return text;
      }
      const char c = source_[at_];
      if (c == '$') {
        const std::string value = dollar();
        text += value;
        if (words) words->add(value);
      } else if ((c == '\'' || c == '"') && !mode_.plain_quotes) {
        const std::string value = c == '"' ? double_quoted(keep_escapes) : single_quoted();
        text += value;
        if (words) words->add_raw(value);
      } else if (c == '<') {
        const std::string_view value = angles();
        text += value;
        if (words) words->add_raw(value);
      } else if (c == mode_.escape) {
        text += escaped(keep_escapes, words);
      } else {
        const std::string_view value = next();
        text += value;
        if (words) words->add(value);
      }
    }
    if (stop) {
      throw Mistake(
          fmt::format("unexpected end of statement while looking for matching {}", *stop));
    }
    return text;
  }

  std::string escaped(bool keep_escapes, Words* words) {
    std::string text;
    if (keep_escapes) text += source_[at_];
    ++at_;
    if (!done()) text += next();
    if (words && !text.empty()) words->add_raw(text);
    return text;
  }

  /// A `<<` takes the blanks after it into its word, so that `<< EOF` is one word.
  std::string_view angles() {
    const std::size_t begin = at_++;
    if (sees('<')) {
      ++at_;
      while (sees(' ') || sees('\t') || sees('\r'))
        ++at_;
    }
    return source_.substr(begin, at_ - begin);
  }

  std::string single_quoted() {
    const std::size_t close = source_.find('\'', at_ + 1);
    if (close == std::string_view::npos) {
      throw Mistake("unexpected end of statement while looking for matching single-quote");
    }
    const std::size_t begin = mode_.keep_quotes ? at_ : at_ + 1;
    const std::size_t end = mode_.keep_quotes ? close + 1 : close;
    at_ = close + 1;
    return std::string(source_.substr(begin, end - begin));
  }

  std::string double_quoted(bool keep_escapes) {
    std::string text;
    ++at_;
    if (mode_.keep_quotes) text += '"';
    while (!done()) {
      if (sees('"')) {
        ++at_;
        if (mode_.keep_quotes) text += '"';
        return text;
      }
      if (sees('$')) {
        text += dollar();
      } else if (sees(mode_.escape)) {
        ++at_;
        if (keep_escapes) text += mode_.escape;
        if (done()) continue;
        const bool special = sees('"') || sees('$') || sees(mode_.escape);
        text += special ? source_[at_++] : mode_.escape;
      } else {
        text += next();
      }
    }
    throw Mistake("unexpected end of statement while looking for matching double-quote");
  }

  std::string dollar() {
    const std::size_t begin = at_++;
    if (!sees('{')) {
      const std::string_view name = variable_name();
      if (name.empty()) return "$";
      const std::string* value = look_up(name);
      if (!value) return mode_.keep_unset ? std::string(source_.substr(begin, at_ - begin)) : "";
      return *value;
    }
    ++at_;
    if (done()) throw Mistake("syntax error: missing '}'");
    if (sees('{') || sees('}') || sees(':')) throw Mistake("syntax error: bad substitution");
    if (++depth_ > kMaxDepth) throw Mistake("substitutions are nested too deeply");
    std::string text = braced(variable_name(), begin);
    --depth_;
    return text;
  }

  /// What follows the name in ${name...}.
  std::string braced(std::string_view name, std::size_t begin) {
    if (done()) throw Mistake("syntax error: missing '}'");
    const std::string_view modifier = next();
    if (modifier == "}") {
      const std::string* value = look_up(name);
      if (!value) return mode_.keep_unset ? std::string(source_.substr(begin, at_ - begin)) : "";
      return *value;
    }
    if (modifier == "/") return replaced(name);
    const bool null_is_unset = modifier == ":";
    if (null_is_unset && done()) throw Mistake("syntax error: missing '}'");
    const std::string_view action = null_is_unset ? next() : modifier;
    if (action.size() != 1 || std::string_view("+-?#%").find(action[0]) == std::string_view::npos) {
      throw Mistake(unsupported(null_is_unset, action));
    }
    const bool trims = action == "#" || action == "%";
    const std::string word = closed_by('}', trims, "syntax error: missing '}'");
    const std::string* value = look_up(name);
    if (!value && mode_.keep_unset) {
      return fmt::format("${{{}{}{}{}}}", name, null_is_unset ? ":" : "", action, word);
    }
    if (trims && null_is_unset) throw Mistake(unsupported(true, action));
    if (trims) return trimmed(value ? *value : "", action[0], word);
    return chosen(name, value, action[0], null_is_unset, word);
  }

  static std::string unsupported(bool colon, std::string_view action) {
    return fmt::format("unsupported modifier ({}{}) in substitution", colon ? ":" : "", action);
  }

  static std::string chosen(std::string_view name,
                            const std::string* value,
                            char action,
                            bool null_is_unset,
                            const std::string& word) {
    const bool missing = !value || (null_is_unset && value->empty());
    if (action == '-') return missing ? word : *value;
    if (action == '+') return missing ? "" : word;
    if (!missing) return *value;
    const std::string why = value ? "is not allowed to be empty" : "is not allowed to be unset";
    throw Mistake(fmt::format("{}: {}", name, word.empty() ? why : word));
  }

  static std::string trimmed(const std::string& value, char action, std::string_view word) {
    const bool longest = word.starts_with(action);
    if (longest) word.remove_prefix(1);
    const Extent extent = longest ? Extent::longest : Extent::shortest;
    return action == '%' ? trim_suffix(word, value, extent) : trim_prefix(word, value, extent);
  }

  std::string replaced(std::string_view name) {
    const bool all = sees('/');
    if (all) ++at_;
    const std::string pattern = closed_by('/', true, "syntax error: missing '/' in ${}");
    const std::string replacement = closed_by('}', true, "syntax error: missing '}'");
    const std::string* value = look_up(name);
    if (!value && mode_.keep_unset) return fmt::format("${{{}/{}/{}}}", name, pattern, replacement);
    return replace_matches(pattern, value ? *value : "", replacement, all);
  }

  std::string closed_by(char stop, bool keep_escapes, const char* missing) {
    try {
      return until(stop, keep_escapes, nullptr);
    } catch (const Mistake&) {
      if (done()) throw Mistake(missing);
      throw;
    }
  }

  /// Letters, digits and '_'; or a number; or one special parameter.
  std::string_view variable_name() {
    const std::size_t begin = at_;
    if (!done() && is_digit(decode_rune(source_, at_).value)) {
      while (!done() && is_digit(decode_rune(source_, at_).value))
        ++at_;
    } else if (!done() &&
               std::string_view("@*#?-$!").find(source_[at_]) != std::string_view::npos) {
      ++at_;
    } else {
      while (!done()) {
        const Rune rune = decode_rune(source_, at_);
        if (!is_letter(rune.value) && !is_digit(rune.value) && rune.value != '_') break;
        at_ += rune.size;
      }
    }
    return source_.substr(begin, at_ - begin);
  }

  const std::string* look_up(std::string_view name) {
    const std::string* value = environment_.find(name);
    std::vector<std::string>& list = value ? result_.used : result_.undefined;
    if (std::ranges::find(list, name) == list.end()) list.emplace_back(name);
    return value;
  }

  std::string_view source_;
  const Environment& environment_;
  const ExpandMode& mode_;
  std::size_t at_ = 0;
  int depth_ = 0;
  Expansion result_;
};

}  // namespace

Expansion expand(std::string_view word, const Environment& environment, const ExpandMode& mode) {
  return Expander(word, environment, mode).run();
}

}  // namespace kiln::dockerfile
