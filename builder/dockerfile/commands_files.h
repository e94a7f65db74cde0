// COPY and ADD, and the list form that they share with VOLUME.
#pragma once

#include "builder/dockerfile/commands.h"

namespace kiln::dockerfile {

/// A JSON list, or words separated by blanks.
[[nodiscard]] std::vector<Token> words_or_json(const RawInstruction& raw);

/// Throws Mistake.
[[nodiscard]] Command parse_copy(const RawInstruction& raw);

}  // namespace kiln::dockerfile
