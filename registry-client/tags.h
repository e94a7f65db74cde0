// The tags of one repository.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry-client/session.h"

namespace kiln::registry {

/// All tags of the session's repository that begin with `prefix`, sorted; none when the registry
/// knows no such repository. `session` must outlive the await.
/// source: OCI distribution-spec v1.1 "Listing Tags".
boost::asio::awaitable<std::vector<std::string>> fetch_tags(Session& session, std::string prefix);

/// The strings in "tags" of an answer; Error{corrupt} when it is something else.
[[nodiscard]] std::vector<std::string> parse_tags(std::string_view json);

/// Where a Link header says that the list goes on: `<URL>; rel="next"`.
[[nodiscard]] std::optional<std::string> next_page(std::string_view link);

}  // namespace kiln::registry
