// Exceptions as what a client gets to see.
#pragma once

#include <exception>

#include "daemon/route.h"
#include "proto/messages.h"

namespace kiln::daemon {

/// The last event of a stream whose job threw: a failed command with its exit code and last lines,
/// an Error with its code, an aborted operation as cancelled, everything else as internal.
[[nodiscard]] Failed describe_failure(const std::exception_ptr& exception);

/// The same for an answer in one piece: the status by the table of PROTOCOL.md, ErrorReply as body.
[[nodiscard]] Reply error_reply(const std::exception_ptr& exception);

[[nodiscard]] int http_status(Errc code);

}  // namespace kiln::daemon
