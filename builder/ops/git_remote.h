// A git repository on the network, and how one build may get at it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "builder/ops/client_secrets.h"
#include "builder/ops/git_command.h"

namespace kiln::ops {

/// What one build's client gives for repositories.
struct GitAccess {
  ClientSecrets secrets;
  std::filesystem::path ssh_agent;  ///< a socket; "": none
};

struct GitRemote {
  std::string url;  ///< without credentials: may be shown and written down
  std::vector<std::pair<std::string, std::string>> config;  ///< credentials, for GitCommand
  std::filesystem::path ssh_agent;

  /// A command of these arguments that may speak to the remote.
  [[nodiscard]] GitCommand command(std::vector<std::string> args) const;
  /// The error of a command that spoke to the remote and failed: what git said, and what to do.
  [[nodiscard]] Error failure(const GitOutput& output) const;
};

/// The user name and password written in `remote`, or the client's secrets GIT_AUTH_HEADER[.HOST]
/// (a whole Authorization) or GIT_AUTH_TOKEN[.HOST] (a token), become a header that is sent to this
/// remote only; with one, redirects are not followed: git would send it along. Throws
/// Error{invalid_input} for a remote that git would take for an option or another protocol.
/// source: BuildKit's source/git.
boost::asio::awaitable<GitRemote> open_remote(std::string remote, GitAccess access);

}  // namespace kiln::ops
