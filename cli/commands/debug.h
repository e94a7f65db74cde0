// A shell, or a command, where a step failed.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/commands.h"

namespace kiln::cli {

struct DebugFlags {
  std::string build;                 ///< beginning of an id; "": the newest failed one
  std::vector<std::string> command;  ///< empty: the step's shell
  std::vector<std::string> secrets;  ///< --secret and --ssh as for a build
  std::vector<std::string> ssh;
};

/// Whether the command can have a terminal: stdin and stdout are one.
[[nodiscard]] bool has_terminal();

/// Runs it to its end; returns its exit code, kExitFailed when it could not be run.
[[nodiscard]] int run_debug(Client& client, const DebugFlags& flags);

}  // namespace kiln::cli
