// Messages about looking into a failed step.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/messages.h"

namespace kiln {

namespace role {
inline constexpr std::string_view kStdin = "stdin";    ///< a pipe to read
inline constexpr std::string_view kStdout = "stdout";  ///< a pipe to write
inline constexpr std::string_view kStderr = "stderr";  ///< a pipe to write
/// A connected Unix socket: gets one byte, and beside it the descriptor of a terminal's master.
inline constexpr std::string_view kTerminal = "terminal";
}  // namespace role

/// In `metadata` of Finished: how the command ended, 128 + N for signal N.
inline constexpr const char* kExitCodeKey = "exit_code";

/// POST /kiln/v1/debug. With the descriptor `terminal`, or with `stdin`, `stdout` and `stderr`;
/// secrets and SSH agents as for a build.
struct DebugRequest {
  std::string build;                 ///< beginning of its id; "": the newest failed one
  std::vector<std::string> command;  ///< empty: the step's shell
  std::string term;                  ///< TERM of the client's terminal
  std::uint16_t columns = 0;         ///< of the terminal; 0 is not known
  std::uint16_t rows = 0;
  std::vector<std::string> descriptors;
};

[[nodiscard]] std::string to_json(const DebugRequest& value);
template <>
[[nodiscard]] DebugRequest from_json(std::string_view json);

}  // namespace kiln
