// The history of builds as clients ask for it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "builder/services.h"
#include "proto/build_history.h"

namespace kiln {

/// A build is named by its id, a beginning of it that no other has, "latest" or "". Throws
/// Error{not_found} and {invalid_input} naming it.

/// Newest first.
boost::asio::awaitable<std::vector<BuildSummary>> list_builds(Services& services);

/// Steps and times, read out of the log.
boost::asio::awaitable<BuildDetail> show_build(std::string id, Services& services);

/// A BuildLogPart in JSON: whole lines of the log from `offset`, about a mebibyte.
boost::asio::awaitable<std::string> read_build_log(std::string id,
                                                   std::uint64_t offset,
                                                   Services& services);

/// One of a build that runs is refused with Error{invalid_input}.
boost::asio::awaitable<BuildsRemoved> remove_build(std::string id, Services& services);

}  // namespace kiln
