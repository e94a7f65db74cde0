// One instruction's flags and words → its Command: everything that can be checked without other
// instructions.
#pragma once

#include <string_view>
#include <vector>

#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/words.h"

namespace kiln::dockerfile {

/// What is known of an instruction before its command is.
struct RawInstruction {
  const Instruction& instruction;
  Rest rest;
  char escape = '\\';
  std::vector<Heredoc> heredocs;
};

/// Throws Mistake.
[[nodiscard]] Command parse_command(const RawInstruction& raw);

/// True for RUN, COPY and ADD, which here-documents may follow.
[[nodiscard]] bool may_have_heredocs(std::string_view keyword);

}  // namespace kiln::dockerfile
