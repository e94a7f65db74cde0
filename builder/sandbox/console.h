// The terminal of a container: made by the runtime inside, used by a client outside.
//
// The runtime sends the terminal's master over a socket of ours (its --console-socket), we pass it
// on to the client: what is typed and shown does not go through the daemon, and when the client
// dies the terminal hangs up.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <string>

#include "builder/os/fd.h"

namespace kiln::sandbox {

/// Listens where a runtime hands over a terminal.
class ConsoleSocket {
 public:
  /// Makes DIRECTORY/console, which goes with the directory. Blocks; throws Error.
  explicit ConsoleSocket(const std::filesystem::path& directory);

  /// The path for a child of this process; short, however long the directory's is.
  [[nodiscard]] std::string address() const;

  /// Waits for the runtime and sends the master that it hands over to `client`, a connected socket,
  /// beside one byte. Cancellable; throws Error.
  boost::asio::awaitable<void> pass_on(int client) const;

 private:
  os::Fd directory_;
  os::Fd listener_;
};

}  // namespace kiln::sandbox
