// The patterns of ${v#p}, ${v%p} and ${v/p/r}: `*` and `?` only.
//
// A match never needs to try twice: the pieces between stars are placed from the left, and the
// last one from the right when the longest match is wanted.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kiln::dockerfile {

enum class Extent { shortest, longest };

/// `value` without the prefix, or suffix, that matches; throws Mistake for a bad escape.
[[nodiscard]] std::string trim_prefix(std::string_view pattern,
                                      std::string_view value,
                                      Extent extent);
[[nodiscard]] std::string trim_suffix(std::string_view pattern,
                                      std::string_view value,
                                      Extent extent);

/// `value` with the first, or every, match replaced; matches are leftmost and as long as possible.
[[nodiscard]] std::string replace_matches(std::string_view pattern,
                                          std::string_view value,
                                          std::string_view replacement,
                                          bool all);

}  // namespace kiln::dockerfile
