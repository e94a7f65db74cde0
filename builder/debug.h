// Looking into what a failed step left.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "builder/build.h"
#include "builder/services.h"
#include "proto/debug_messages.h"

namespace kiln {

/// Runs a command, or a shell, where a build's step failed, with the caller's pipes or with a
/// terminal that is handed to the caller; returns when it ended. Warnings say what differs from the
/// step. Only who ran the build may, and root. Throws Error{not_found} when nothing is kept of it,
/// Error{denied}. Cancelled: the command and all that it started is killed.
boost::asio::awaitable<Finished> debug_build(DebugRequest request,
                                             Caller& caller,
                                             Services& services);

}  // namespace kiln
