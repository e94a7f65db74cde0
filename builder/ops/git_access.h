// What a client lends for repositories: its secrets, and its SSH agent as a socket.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "builder/ops/executor.h"
#include "builder/ops/git_remote.h"

namespace kiln::ops {

/// Good for as long as it lives: then the socket of the agent goes.
struct LentGitAccess {
  GitAccess access;
  std::optional<AgentSocket> agent;
};

/// The agent is the one that the client calls "default"; that it cannot be reached is told to
/// `listener`. Throws Error.
boost::asio::awaitable<LentGitAccess> lend_git_access(ClientSecrets secrets,
                                                      solver::Listener listener,
                                                      Workshop& workshop);

}  // namespace kiln::ops
