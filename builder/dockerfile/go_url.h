// URLs as Go's net/url reads them, so that what BuildKit takes for one is one here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln::dockerfile {

/// Names and values, decoded, in order.
using Query = std::vector<std::pair<std::string, std::string>>;

struct GoUrl {
  std::string scheme;    ///< lower case; "" without one
  std::string base;      ///< the URL without query and fragment
  std::string path;      ///< decoded
  Query query;           ///< malformed pairs are left out
  std::string fragment;  ///< decoded
};

/// nullopt for what net/url does not parse: control characters, wrong escapes, ports that are none.
[[nodiscard]] std::optional<GoUrl> parse_go_url(std::string_view text);

/// nullopt when a pair is malformed.
[[nodiscard]] std::optional<Query> parse_query(std::string_view text);

}  // namespace kiln::dockerfile
