// Whether the .dockerignore leaves nothing of what a COPY names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "builder/graph/pattern.h"

namespace kiln::dockerfile {

/// True when `patterns`, which are those of `list`, exclude `source` (clean, "." is the whole
/// context) and nothing can re-include anything at or below it. Wrong for no file that is there;
/// silent where that cannot be told from the patterns alone. source: BuildKit's CopyIgnoredFile
[[nodiscard]] bool is_ignored_source(const graph::PatternList& list,
                                     const std::vector<std::string>& patterns,
                                     std::string_view source);

}  // namespace kiln::dockerfile
