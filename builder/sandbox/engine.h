// One OCI runtime program: how it is called, and what its own failures look like.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/os/fd.h"

namespace kiln::sandbox {

/// A runtime found on this host.
struct Engine {
  std::filesystem::path program;
  std::string description;      ///< "crun 1.8.1"
  bool is_crun = false;         ///< others behave like runc
  std::filesystem::path state;  ///< its --root

  /// The command line that runs a bundle to its end and writes the runtime's messages to `log`.
  [[nodiscard]] std::vector<std::string> run_command_line(const std::filesystem::path& bundle,
                                                          const std::filesystem::path& log,
                                                          const std::string& id) const;
  /// The same with a terminal, which is handed over at the socket `console`: the runtime leaves
  /// when the container runs, and writes its process id to `pid_file` (runc with a console socket
  /// does nothing else).
  [[nodiscard]] std::vector<std::string> detached_command_line(
      const std::filesystem::path& bundle,
      const std::filesystem::path& log,
      const std::string& id,
      const std::string& console,
      const std::filesystem::path& pid_file) const;
};

/// A sealed copy of a program in memory. A runtime run from it need not protect its file from the
/// container (CVE-2019-5736): crun and runc else make such a copy, or a mount in /tmp, and execute
/// themselves again for every container. Empty for what is no ELF program, and where SELinux goes
/// by the program's file.
[[nodiscard]] os::Fd seal_program(const std::filesystem::path& program);

/// "crun version 1.8.1\n..." → "crun 1.8.1".
[[nodiscard]] std::string parse_version(std::string_view output);

/// The error that a runtime wrote to its log (JSON lines), without the parts that say nothing to a
/// user; nullopt when there is none, so the command itself ran.
[[nodiscard]] std::optional<std::string> logged_failure(std::string_view log);

/// For a failure that is the command's own fault the exit code that a shell would give: 127 for a
/// program that does not exist, 126 for one that cannot be executed. nullopt: the runtime failed.
[[nodiscard]] std::optional<int> command_fault(std::string_view failure);

}  // namespace kiln::sandbox
