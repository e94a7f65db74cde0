// Where the daemon listens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {

struct Endpoint {
  /// Sockets to try in order; a daemon of our own would listen on the first. Never empty.
  std::vector<std::string> sockets;
  /// The user named it: nothing else is tried and nothing is started.
  bool named = false;
};

/// What default_endpoint goes by.
struct EndpointHints {
  bool privileged = false;
  std::string runtime_dir;  ///< $XDG_RUNTIME_DIR
};

/// root: /run/kiln/kiln.sock. Others: $XDG_RUNTIME_DIR/kiln/kiln.sock, then the system's, which
/// members of its group may use.
[[nodiscard]] Endpoint default_endpoint(const EndpointHints& hints);

/// The socket of "unix:///path" (or an absolute path); throws UsageError naming `host` and its
/// `origin` (--host, KILN_HOST).
[[nodiscard]] Endpoint named_endpoint(std::string_view host, std::string_view origin);

/// --host when not empty, else $KILN_HOST, else the default.
[[nodiscard]] Endpoint find_endpoint(std::string_view host_flag);

}  // namespace kiln::cli
