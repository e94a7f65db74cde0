// The values of --chmod: octal, or symbolic as chmod(1) takes them.
#pragma once

#include <string_view>

#include "builder/graph/file_mode.h"

namespace kiln::dockerfile {

/// Throws Mistake for a malformed one.
[[nodiscard]] graph::ModeChange parse_chmod(std::string_view mode);

}  // namespace kiln::dockerfile
