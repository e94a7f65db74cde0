// Starts a daemon of the user's own when none listens.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cli/connection.h"

namespace kiln::cli {

struct Autostart {
  std::string socket_path;
  std::string program;  ///< kilnd
  bool quiet = false;   ///< say nothing on stderr
  std::chrono::milliseconds patience = std::chrono::seconds(30);
};

/// `kilnd` beside this executable, else in PATH; nullopt when there is none.
[[nodiscard]] std::optional<std::string> find_daemon_program();

/// Starts `program --listen unix://SOCKET --idle-exit 600` in a session of its own, its output in
/// kilnd.log beside the socket, and waits until the socket accepts. Clients that start at the same
/// moment share one daemon (a lock beside the socket).
/// Throws ConnectionError with the log's last lines when it ends, or is not ready in time.
[[nodiscard]] Connection start_daemon(const Autostart& options);

}  // namespace kiln::cli
