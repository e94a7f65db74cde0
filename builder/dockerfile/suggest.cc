#include "builder/dockerfile/suggest.h"

#include <fmt/format.h>

namespace kiln::dockerfile {

std::string did_you_mean(std::string_view word,
                         const std::vector<std::string>& candidates,
                         std::string_view prefix) {
  const std::string match = nearest(word, candidates);
  return match.empty() ? "" : fmt::format("did you mean {}{}?", prefix, match);
}

}  // namespace kiln::dockerfile
