// Running the command of a prepared step.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>

#include "builder/os/process.h"
#include "builder/sandbox/runtime.h"
#include "builder/sandbox/step.h"

namespace kiln::sandbox {

/// Runs it under the supervisor, streams its output and returns how it ended, as the runtime told.
/// With `attachment`, which may be nullptr, the command has that instead, and `output` gets what
/// the runtime itself says.
/// When the caller is cancelled or `output` throws, everything is dead before the exception leaves.
/// Needs throw_if_cancelled(false).
boost::asio::awaitable<os::ExitStatus> execute(const Step& step,
                                               std::filesystem::path supervisor,
                                               const Attachment* attachment,
                                               const OutputFn& output);

}  // namespace kiln::sandbox
