// "Did you mean": the nearest of some words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "builder/graph/nearest.h"

namespace kiln::dockerfile {

using graph::nearest;

/// "did you mean X?", or "" when nothing is near.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& candidates,
                                       std::string_view prefix = "");

}  // namespace kiln::dockerfile
