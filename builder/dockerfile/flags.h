// The flags that an instruction knows.
#pragma once

#include <initializer_list>
#include <string_view>

#include "builder/dockerfile/ast.h"

namespace kiln::dockerfile {

enum class FlagKind {
  boolean,  ///< --x, --x=true, --x=false
  text,     ///< --x=VALUE
  list,     ///< the same, repeatable
};

struct FlagSpec {
  std::string_view name;
  FlagKind kind;
};

/// Throws Mistake for a flag that is unknown, repeated, or lacks what its kind needs.
void check_flags(const Instruction& instruction, std::initializer_list<FlagSpec> known);

/// The value of a checked boolean flag.
[[nodiscard]] bool is_set(const Instruction& instruction, std::string_view name, bool otherwise);

}  // namespace kiln::dockerfile
