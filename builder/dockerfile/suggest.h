// "Did you mean": the nearest of some words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln::dockerfile {

/// The candidate that is a slip of the finger away from `word`, or "".
[[nodiscard]] std::string nearest(std::string_view word,
                                  const std::vector<std::string>& candidates);

/// "did you mean X?", or "" when nothing is near.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& candidates,
                                       std::string_view prefix = "");

}  // namespace kiln::dockerfile
