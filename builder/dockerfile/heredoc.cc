#include "builder/dockerfile/heredoc.h"

#include <algorithm>

#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

const Environment& nothing() {
  static const Environment environment;
  return environment;
}

std::ptrdiff_t quotes_in(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return c == '\'' || c == '"'; });
}

}  // namespace

std::optional<Heredoc> heredoc_of_word(std::string_view word) {
  while (!word.empty() && is_digit(static_cast<unsigned char>(word[0])))
    word.remove_prefix(1);
  if (!word.starts_with("<<")) return std::nullopt;
  word.remove_prefix(2);
  Heredoc heredoc;
  heredoc.strip_tabs = word.starts_with('-');
  if (heredoc.strip_tabs) word.remove_prefix(1);
  heredoc.spaced = trim_left(word).size() < word.size();
  word = trim_left(word);
  if (word.empty() || word.find('<') != std::string_view::npos) return std::nullopt;

  const std::vector<std::string> words = expand(word, nothing(), {.keep_unset = true}).words;
  const std::vector<std::string> raw =
      expand(word, nothing(), {.keep_quotes = true, .keep_unset = true}).words;
  if (words.size() != 1 || raw.size() != 1) return std::nullopt;
  heredoc.name = words[0];
  heredoc.expand = quotes_in(words[0]) == quotes_in(raw[0]);
  return heredoc;
}

std::vector<Heredoc> heredocs_of_line(std::string_view text) {
  std::vector<std::string> words;
  try {
    words = expand(text, nothing(), {.keep_quotes = true, .keep_escapes = true, .keep_unset = true})
                .words;
  } catch (const Mistake&) {
    return {};  // unbalanced quotes are the shell's business: there is no here-document then
  }
  std::vector<Heredoc> heredocs;
  for (const std::string& word : words) {
    if (auto heredoc = heredoc_of_word(word)) heredocs.push_back(std::move(*heredoc));
  }
  return heredocs;
}

}  // namespace kiln::dockerfile
