// URLs as they may be shown and written down.
#pragma once

#include <string>
#include <string_view>

namespace kiln {

/// `text` without what may be secret in a URL: the user's name and password (but the plain "git@"
/// of ssh stays) and the query. Other text is returned as it is.
[[nodiscard]] std::string shown_url(std::string_view text);

}  // namespace kiln
