// `kiln context ls`: what a build would see of its context, and why.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "builder/build.h"

namespace kiln {

/// Lists the context of `request` (its names and descriptors of context and ignore file count,
/// nothing else) as the log of one step, a JSON object a line; proto/PROTOCOL.md gives the fields.
/// The result's metadata has the totals: "files", "size_bytes", "left_out".
boost::asio::awaitable<Finished> list_context(BuildRequest request,
                                              Caller& caller,
                                              Services& services);

}  // namespace kiln
