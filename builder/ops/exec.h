// RUN: a command in a mounted root file system.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <vector>

#include "builder/ops/executor.h"
#include "builder/ops/file.h"

namespace kiln::ops {

/// Runs the command on input 0; the result has one layer more. Throws CommandFailed.
boost::asio::awaitable<solver::Stack> run_exec_op(const graph::ExecOp& op,
                                                  std::vector<FileInput> inputs,
                                                  registry::CredentialsProvider credentials,
                                                  ClientSecrets secrets,
                                                  solver::Listener listener,
                                                  Workshop& workshop);

/// The step's command in a mounted root file system, still without mounts and secrets.
[[nodiscard]] sandbox::RunSpec to_spec(const graph::ExecOp& op,
                                       const std::filesystem::path& rootfs);

}  // namespace kiln::ops
