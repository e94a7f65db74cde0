// The file format of .dockerignore; what the patterns mean is builder/graph/pattern.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln::dockerfile {

struct IgnoreLine {
  std::string pattern;  ///< cleaned, "!" in front of one that re-includes
  int number = 0;       ///< from 1
};

/// The patterns of an ignore file, cleaned, in order; comments, blank lines and a byte-order mark
/// are dropped. Throws Error{invalid_input} with name:line for a lone "!" or a malformed pattern.
/// source: moby/patternmatcher ignorefile; docs.docker.com "Dockerfile reference: .dockerignore"
[[nodiscard]] std::vector<IgnoreLine> parse_ignore_lines(std::string_view name,
                                                         std::string_view text);
/// The same without the numbers.
[[nodiscard]] std::vector<std::string> parse_ignore_file(std::string_view name,
                                                         std::string_view text);

}  // namespace kiln::dockerfile
