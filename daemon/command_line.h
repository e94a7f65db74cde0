// kilnd's flags.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "daemon/config.h"

namespace kiln::daemon {

struct CommandLine {
  Config config;             ///< defaults < file < flags
  bool show_config = false;  ///< print it and exit
};

/// What the arguments ask for; or, in `exit_code`, that all is said and done (--help, --version, a
/// misused flag: 2). Throws Error for a configuration file that is missing or wrong.
struct ParsedCommandLine {
  std::optional<int> exit_code;
  CommandLine command;
};
[[nodiscard]] ParsedCommandLine parse_command_line(int argc, const char* const* argv);

/// The version of this program, "0.1.0".
[[nodiscard]] std::string version();

}  // namespace kiln::daemon
