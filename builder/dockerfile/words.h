// Splitting an instruction's text: flags, JSON lists, blank-separated and quoted words.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/ast.h"

namespace kiln::dockerfile {

/// An instruction's text cut into its parts; `rest` is what follows keyword and flags, trimmed.
struct Split {
  std::string_view keyword;
  std::vector<Flag> flags;
  std::string_view rest;
  std::size_t rest_offset = 0;
};
[[nodiscard]] Split split_instruction(std::string_view text, char escape);

/// The part of an instruction that follows its flags.
struct Rest {
  std::string_view text;
  std::size_t offset = 0;  ///< in Instruction::text
};

/// Words separated by blanks; quotes mean nothing.
[[nodiscard]] std::vector<Token> split_blanks(const Rest& rest);

/// Words as a shell splits them; quotes and escapes stay in them.
[[nodiscard]] std::vector<Token> split_words(const Rest& rest, char escape);

/// The strings of a JSON list; nullopt when `text` is no JSON list. Throws Mistake for a list of
/// something else.
[[nodiscard]] std::optional<std::vector<std::string>> parse_json_list(std::string_view text);

}  // namespace kiln::dockerfile
