// Another command in what a failed step left.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "builder/ops/executor.h"
#include "builder/ops/failed_steps.h"

namespace kiln::ops {

struct FailedRun {
  std::vector<std::string> args;  ///< empty: the step's shell
  std::string term;               ///< TERM for a command with a terminal, where the step sets none
  std::shared_ptr<const sandbox::Attachment> attachment;
};

/// The secrets and agents that the step had and `secrets` lacks, one sentence each.
[[nodiscard]] std::vector<std::string> missing_secrets(const graph::ExecOp& op,
                                                       const ClientSecrets& secrets);

/// Runs it to its end with all that the step had: environment, user, directory, mounts, network,
/// limits, and of secrets and agents what `secrets` has. Each run begins with what the step left,
/// and its changes are dropped; but caches are the builds' own. Cancelled: all of it is killed.
/// Throws Error{not_found} when there is no shell.
boost::asio::awaitable<os::ExitStatus> run_in_failed_step(std::shared_ptr<const FailedStep> step,
                                                          FailedRun run,
                                                          ClientSecrets secrets,
                                                          registry::CredentialsProvider credentials,
                                                          solver::Listener listener,
                                                          Workshop& workshop);

}  // namespace kiln::ops
