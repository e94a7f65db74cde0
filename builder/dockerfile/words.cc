#include "builder/dockerfile/words.h"

#include <nlohmann/json.hpp>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// Reads one "--name[=value]" word at `at`, removing its quotes and escapes.
std::string read_flag_word(std::string_view text, std::size_t& at, char escape) {
  std::string word;
  char quote = '\0';
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quote == '\0' && is_space(static_cast<unsigned char>(c))) break;
    if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (quote != '\0' && c == quote) {
      quote = '\0';
    } else if (c == escape) {
      if (at + 1 < text.size()) word += text[++at];
    } else {
      word += c;
    }
  }
  return word;
}

}  // namespace

Split split_instruction(std::string_view text, char escape) {
  Split result;
  const auto skip_spaces = [&](std::size_t at) {
    while (at < text.size() && is_space(static_cast<unsigned char>(text[at])))
      ++at;
    return at;
  };
  std::size_t at = skip_spaces(0);
  const std::size_t begin = at;
  while (at < text.size() && !is_space(static_cast<unsigned char>(text[at])))
    ++at;
  result.keyword = text.substr(begin, at - begin);
  for (at = skip_spaces(at); text.substr(at).starts_with("--"); at = skip_spaces(at)) {
    const std::size_t offset = at;
    const std::string word = read_flag_word(text, at, escape);
    if (word == "--") break;
    Flag flag{word.substr(2), std::nullopt, offset};
    if (const std::size_t equals = flag.name.find('='); equals != std::string::npos) {
      flag.value = flag.name.substr(equals + 1);
      flag.name.resize(equals);
    }
    result.flags.push_back(std::move(flag));
  }
  at = skip_spaces(at);
  result.rest = trim_right(text.substr(at));
  result.rest_offset = at;
  return result;
}

std::vector<Token> split_blanks(const Rest& rest) {
  std::vector<Token> tokens;
  for (std::size_t at = 0; at < rest.text.size();) {
    const std::size_t begin = at;
    while (at < rest.text.size() && !is_blank(rest.text[at]))
      ++at;
    if (at > begin) {
      tokens.push_back({std::string(rest.text.substr(begin, at - begin)), rest.offset + begin});
    }
    while (at < rest.text.size() && is_blank(rest.text[at]))
      ++at;
  }
  return tokens;
}

std::vector<Token> split_words(const Rest& rest, char escape) {
  std::vector<Token> words;
  const std::string_view text = rest.text;
  for (std::size_t at = 0; at < text.size();) {
    Rune rune = decode_rune(text, at);
    if (is_space(rune.value)) {
      at += rune.size;
      continue;
    }
    Token word{"", rest.offset + at};
    bool quoted = false;
    char quote = '\0';
    while (at < text.size()) {
      rune = decode_rune(text, at);
      const char c = text[at];
      if (quote == '\0' && is_space(rune.value)) break;
      if (quote == '\0' && (c == '\'' || c == '"')) {
        quote = c;
        quoted = true;
      } else if (quote != '\0' && c == quote) {
        quote = '\0';
      } else if (c == escape && quote != '\'') {
        at += rune.size;
        if (at == text.size()) break;  // an escape that ends the text is dropped
        word.text += c;
        rune = decode_rune(text, at);
      }
      word.text += text.substr(at, rune.size);
      at += rune.size;
    }
    if (quoted || !word.text.empty()) words.push_back(std::move(word));
  }
  return words;
}

std::optional<std::vector<std::string>> parse_json_list(std::string_view text) {
  if (!text.starts_with('[')) return std::nullopt;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return std::nullopt;
  std::vector<std::string> words;
  for (const auto& element : json) {
    if (!element.is_string()) {
      throw Mistake("when using JSON array syntax, arrays must be comprised of strings only");
    }
    words.push_back(element.get<std::string>());
  }
  return words;
}

}  // namespace kiln::dockerfile
