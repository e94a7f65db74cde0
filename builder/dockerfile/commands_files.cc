#include "builder/dockerfile/commands_files.h"

#include <algorithm>

#include "builder/dockerfile/flags.h"
#include "builder/dockerfile/heredoc.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

std::vector<Token> words_or_json(const RawInstruction& raw) {
  auto json = parse_json_list(raw.rest.text);
  if (!json) return split_blanks(raw.rest);
  std::vector<Token> tokens;
  for (std::string& word : *json)
    tokens.push_back({std::move(word), raw.rest.offset});
  return tokens;
}

Command parse_copy(const RawInstruction& raw) {
  Copy copy;
  copy.is_add = equal_fold(raw.instruction.keyword, "ADD");
  const std::string_view name = copy.is_add ? "ADD" : "COPY";
  std::vector<Token> words = words_or_json(raw);
  if (words.size() < 2) {
    throw Mistake(fmt::format("{} requires at least two arguments, but only {} provided: "
                              "destination could not be determined",
                              name, words.empty() ? "none was" : "one was"),
                  fmt::format("write {} SOURCE... DESTINATION", name));
  }
  using enum FlagKind;
  if (copy.is_add) {
    check_flags(raw.instruction, {{"chown", text},
                                  {"chmod", text},
                                  {"link", boolean},
                                  {"keep-git-dir", boolean},
                                  {"checksum", text},
                                  {"unpack", boolean},
                                  {"exclude", list}});
  } else {
    check_flags(raw.instruction, {{"from", text},
                                  {"chown", text},
                                  {"chmod", text},
                                  {"link", boolean},
                                  {"parents", boolean},
                                  {"exclude", list}});
  }
  copy.destination = std::move(words.back());
  words.pop_back();
  if (raw.heredocs.empty()) {
    copy.sources = std::move(words);
    return copy;
  }
  if (heredoc_of_word(copy.destination.text)) {
    throw Mistake(fmt::format("{} cannot accept a heredoc as a destination", name))
        .at(copy.destination.offset);
  }
  std::vector<Heredoc> bodies = raw.heredocs;
  for (Token& word : words) {
    const auto announced = heredoc_of_word(word.text);
    const auto body =
        announced ? std::ranges::find(bodies, announced->name, &Heredoc::name) : bodies.end();
    if (body == bodies.end()) {
      copy.sources.push_back(std::move(word));
      continue;
    }
    copy.documents.push_back(std::move(*body));
    bodies.erase(body);
  }
  return copy;
}

}  // namespace kiln::dockerfile
