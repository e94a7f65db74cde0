// The rules about FROM.
#pragma once

#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/lint.h"
#include "builder/dockerfile/lower.h"

namespace kiln::dockerfile {

/// UndefinedArgInFrom for the variables of `expansion`, which is of the word at `offset`.
void lint_undefined_in_from(Linter& linter,
                            const Ast& ast,
                            const Instruction& instruction,
                            const Expansion& expansion,
                            const Environment& globals,
                            std::size_t offset);

/// RedundantTargetPlatform and FromPlatformFlagConstDisallowed.
void lint_platform_flag(Linter& linter,
                        const Instruction& instruction,
                        const From& from,
                        const Flag& flag,
                        const Expansion& value,
                        const std::string& target_platform);

/// InvalidDefaultArgInFrom: a base that is no image name unless build arguments are given.
void lint_default_arguments(const Ast& ast, const LowerOptions& options, Linter& linter);

}  // namespace kiln::dockerfile
