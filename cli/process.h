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

/// Runs argv[0] (looked up in PATH) with `input` on its stdin and waits for its end; `variables`
/// (NAME=value) come before those of our own environment. nullopt when there is no such program.
[[nodiscard]] std::optional<ProcessResult> run_process(
    const std::vector<std::string>& argv,
    std::string_view input,
    const std::vector<std::string>& variables = {});

/// Starts argv[0] (looked up in PATH) in a session of its own, so that a terminal's ^C does not
/// reach it, with `input` as its stdin, and what it says thrown away. Returns its process id.
[[nodiscard]] pid_t spawn_apart(const std::vector<std::string>& argv, int input);
/// Waits for the end of a process that was spawned.
void wait_for_end(pid_t pid);

/// Starts argv[0] (a path) in a session of its own, in "/", with stdin from /dev/null, both outputs
/// to `log` and no other descriptor of ours. Returns its process id.
[[nodiscard]] pid_t spawn_daemon(const std::vector<std::string>& argv, int log);

}  // namespace kiln::cli
