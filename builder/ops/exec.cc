#include "builder/ops/exec.h"

#include "builder/ops/exec_mounts.h"
#include "builder/ops/exec_secrets.h"
#include "builder/ops/failed_steps.h"
#include "builder/ops/new_layer.h"
#include "builder/os/offload.h"
#include "builder/solver/phase_timer.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

sandbox::Network to_network(graph::Network network) {
  switch (network) {
    case graph::Network::standard:
      return sandbox::Network::standard;
    case graph::Network::host:
      return sandbox::Network::host;
    case graph::Network::none:
      return sandbox::Network::none;
  }
  return sandbox::Network::standard;
}

[[noreturn]] void throw_failure(const graph::ExecOp& op,
                                const os::ExitStatus& status,
                                std::shared_ptr<const FailedStep> kept) {
  std::string command;
  for (const std::string& arg : op.args)
    command += command.empty() ? arg : " " + arg;
  if (status.signal != 0) {
    throw CommandFailed(
        128 + status.signal,
        fmt::format("process \"{}\" was killed by signal {}{}", command, status.signal,
                    status.signal == 9 ? " (out of memory, perhaps)" : ""),
        std::move(kept));
  }
  throw CommandFailed(status.code,
                      fmt::format("process \"{}\" did not complete successfully: exit code: {}",
                                  command, status.code),
                      std::move(kept));
}

}  // namespace

sandbox::RunSpec to_spec(const graph::ExecOp& op, const std::filesystem::path& rootfs) {
  sandbox::RunSpec spec;
  spec.rootfs = rootfs;
  spec.args = op.args;
  spec.env = op.env;
  spec.env.insert(spec.env.end(), op.proxy_env.begin(), op.proxy_env.end());
  spec.working_dir = op.working_dir;
  spec.user = op.user;
  spec.network = to_network(op.network);
  spec.insecure = op.insecure;
  if (!op.hostname.empty()) spec.hostname = op.hostname;
  spec.add_hosts = op.add_hosts;
  for (const graph::Ulimit& limit : op.ulimits)
    spec.ulimits.push_back({limit.name, limit.soft, limit.hard});
  if (op.shm_size_bytes > 0) spec.shm_size_bytes = op.shm_size_bytes;
  return spec;
}

asio::awaitable<solver::Stack> run_exec_op(const graph::ExecOp& op,
                                           std::vector<FileInput> inputs,
                                           registry::CredentialsProvider credentials,
                                           ClientSecrets secrets,
                                           solver::Listener listener,
                                           Workshop& workshop) {
  // First, so that what is missing is told before anything is downloaded.
  LentToStep lent = co_await lend_to_step(op, std::move(secrets), listener, workshop);
  const auto lowers = co_await workshop.layers.unpacked(inputs.at(0).stack, credentials, listener);
  auto mount = [&] { return open_workspace(workshop, "run", lowers); };
  auto workspace = co_await os::offload(workshop.pool, mount);
  ExecMounts mounts = co_await prepare_mounts(op, inputs, credentials, listener, workshop);
  sandbox::RunSpec spec = to_spec(op, workspace->root());
  spec.mounts = mounts.mounts;
  spec.mounts.insert(spec.mounts.end(), lent.mounts.begin(), lent.mounts.end());
  spec.secret_env = std::move(lent.variables);
  solver::PhaseTimer timer(listener, Phase::run);
  const os::ExitStatus status = co_await workshop.runtime.run(
      std::move(spec),
      [listener](int stream, std::string_view text) { listener->log(stream, text); });
  timer.stop();
  if (!status.ok()) {
    std::vector<solver::Stack> stacks;
    for (const FileInput& input : inputs)
      stacks.push_back(input.stack);
    throw_failure(op, status,
                  co_await workshop.failed_steps.keep(op, std::move(stacks),
                                                      std::move(mounts.copies), workspace));
  }
  auto forget = [&] { workspace->forget(mount_points(op)); };
  co_await os::offload(workshop.pool, forget);
  co_return co_await add_layer(workshop, std::move(inputs.front().stack), std::move(workspace),
                               listener);
}

}  // namespace kiln::ops
