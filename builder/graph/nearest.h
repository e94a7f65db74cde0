// "Did you mean": the nearest of some words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln::graph {

/// The candidate that is a slip of the finger away from `word`, or "".
[[nodiscard]] std::string nearest(std::string_view word,
                                  const std::vector<std::string>& candidates);

}  // namespace kiln::graph
