// RUN --mount=type=secret and type=ssh: what the client lends, put into a step.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "builder/ops/executor.h"

namespace kiln::ops {

/// What a step has of the client's.
struct LentToStep {
  std::vector<sandbox::Mount> mounts;
  std::vector<sandbox::SecretVariable> variables;
  std::vector<AgentSocket> agents;  ///< listen until they are destroyed
};

/// Without the secret or the agent, an optional mount is none, and a variable is empty, as BuildKit
/// has it; a required one throws Error{not_found} that says what to pass. The values are of the
/// build that runs the step, also when others wait for it.
boost::asio::awaitable<LentToStep> lend_to_step(const graph::ExecOp& op,
                                                ClientSecrets secrets,
                                                solver::Listener listener,
                                                Workshop& workshop);

}  // namespace kiln::ops
