// What a downloaded file is called. source: BuildKit's source/http and source/util/pathutil.
#pragma once

#include <string>
#include <string_view>

namespace kiln::graph {

/// "%41" is "A"; a '%' without two hex digits stays.
[[nodiscard]] std::string percent_decoded(std::string_view text);

/// The last component of `name`, or "download" when that is none: empty, "." or "..", or holds
/// control characters. Blanks around it are dropped.
[[nodiscard]] std::string safe_file_name(std::string_view name);

/// The last component of a URL's path, percent-decoded; "" when it has none.
[[nodiscard]] std::string file_name_of_url(std::string_view url);

/// The "filename" of a Content-Disposition; "" when there is none, or it names a directory.
[[nodiscard]] std::string file_name_of_disposition(std::string_view header);

}  // namespace kiln::graph
