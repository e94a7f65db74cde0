// What a RUN has mounted, made ready: inputs as directories, caches from the store.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "builder/ops/executor.h"
#include "builder/ops/failed_steps.h"
#include "builder/ops/file.h"

namespace kiln::ops {

/// Mounts of a step, and what they refer to for as long as it runs. Writes to inputs are discarded.
struct ExecMounts {
  std::vector<sandbox::Mount> mounts;
  std::vector<std::shared_ptr<const void>> held;
  ContextCopies copies;  ///< held too
};

/// Waits for locked caches. Throws Error{not_found} naming a source that is not in its input.
/// `failed`: what the step had of its client's context is taken from there.
boost::asio::awaitable<ExecMounts> prepare_mounts(const graph::ExecOp& op,
                                                  const std::vector<FileInput>& inputs,
                                                  registry::CredentialsProvider credentials,
                                                  solver::Listener listener,
                                                  Workshop& workshop,
                                                  const FailedStep* failed = nullptr);

/// Where the step had something mounted that an image may lack.
[[nodiscard]] std::vector<std::string> mount_points(const graph::ExecOp& op);

}  // namespace kiln::ops
