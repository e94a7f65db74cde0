// Other programs: credential helpers, and the daemon that kiln starts.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {

struct ProcessResult {
  int exit_code = 0;  ///< 128 + signal when a signal ended it
  std::string output;
  std::string errors;
};

/// Runs argv[0] (looked up in PATH) with `input` on its stdin and waits for its end.
/// nullopt when there is no such program.
[[nodiscard]] std::optional<ProcessResult> run_process(const std::vector<std::string>& argv,
                                                       std::string_view input);

/// Starts argv[0] (a path) in a session of its own, in "/", with stdin from /dev/null, both outputs
/// to `log` and no other descriptor of ours. Returns its process id.
[[nodiscard]] pid_t spawn_daemon(const std::vector<std::string>& argv, int log);

}  // namespace kiln::cli
