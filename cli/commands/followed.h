// A request whose progress is shown: what pull, push, save and load have in common.
#pragma once

#include <optional>
#include <string>

#include "cli/commands/commands.h"
#include "cli/progress_report.h"

namespace kiln::cli {

struct ProgressFlags {
  std::string mode = "auto";
  bool quiet = false;
};

/// Declares them; `flags` outlives `line`.
void declare(CommandLine& line, ProgressFlags& flags);

/// Asks, shows the events and returns the last one; nullopt when it is Failed.
[[nodiscard]] std::optional<Finished> follow(const Invocation& invocation,
                                             const ProgressFlags& flags,
                                             const ProgressOptions& more,
                                             const Request& request);

}  // namespace kiln::cli
