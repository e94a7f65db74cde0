#include "builder/ops/exec.h"

#include <fcntl.h>

#include "builder/ops/new_layer.h"
#include "builder/os/offload.h"

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

/// File systems of bind mounts, mounted for as long as the step runs; writes to them are discarded.
struct BoundInputs {
  std::vector<std::shared_ptr<snapshot::Workspace>> workspaces;
  std::vector<sandbox::Mount> mounts;
};

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

asio::awaitable<BoundInputs> bind_inputs(const graph::ExecOp& op,
                                         const std::vector<solver::Stack>& inputs,
                                         registry::CredentialsProvider credentials,
                                         solver::Listener listener,
                                         Workshop& workshop) {
  BoundInputs bound;
  for (const graph::ExecMount& mount : op.mounts) {
    if (const auto* tmpfs = std::get_if<graph::TmpfsMount>(&mount)) {
      bound.mounts.emplace_back(sandbox::TmpfsMount{tmpfs->target, tmpfs->size_bytes});
      continue;
    }
    if (!std::holds_alternative<graph::BindMount>(mount))
      throw Error(Errc::invalid_input, "a mount of this type is not supported yet");
    const auto& bind = std::get<graph::BindMount>(mount);
    const auto lowers =
        co_await workshop.layers.unpacked(inputs.at(bind.input), credentials, listener);
    auto work = [&] { return open_workspace(workshop, "bind", lowers); };
    auto workspace = co_await os::offload(workshop.pool, work);
    const os::Dir root = os::Dir::open(workspace->root());
    const os::Fd source = root.open_at(bind.source, O_PATH, os::Links::in_root);
    bound.mounts.emplace_back(
        sandbox::BindMount{os::read_link(AT_FDCWD, fmt::format("/proc/self/fd/{}", source.get())),
                           bind.target, bind.writable});
    bound.workspaces.push_back(std::move(workspace));
  }
  co_return bound;
}

/// Where the step had something mounted that an image may lack.
std::vector<std::string> mount_points(const graph::ExecOp& op) {
  std::vector<std::string> paths{"/etc/hosts", "/etc/resolv.conf"};
  for (const graph::ExecMount& mount : op.mounts)
    paths.push_back(std::visit([](const auto& one) { return one.target; }, mount));
  return paths;
}

[[noreturn]] void throw_failure(const graph::ExecOp& op, const os::ExitStatus& status) {
  std::string command;
  for (const std::string& arg : op.args)
    command += command.empty() ? arg : " " + arg;
  if (status.signal != 0) {
    throw CommandFailed(
        128 + status.signal,
        fmt::format("process \"{}\" was killed by signal {}{}", command, status.signal,
                    status.signal == 9 ? " (out of memory, perhaps)" : ""));
  }
  throw CommandFailed(status.code,
                      fmt::format("process \"{}\" did not complete successfully: exit code: {}",
                                  command, status.code));
}

}  // namespace

asio::awaitable<solver::Stack> run_exec_op(const graph::ExecOp& op,
                                           std::vector<solver::Stack> inputs,
                                           registry::CredentialsProvider credentials,
                                           solver::Listener listener,
                                           Workshop& workshop) {
  const auto lowers = co_await workshop.layers.unpacked(inputs.at(0), credentials, listener);
  auto mount = [&] { return open_workspace(workshop, "run", lowers); };
  auto workspace = co_await os::offload(workshop.pool, mount);
  BoundInputs bound = co_await bind_inputs(op, inputs, credentials, listener, workshop);
  sandbox::RunSpec spec = to_spec(op, workspace->root());
  spec.mounts = std::move(bound.mounts);
  const os::ExitStatus status = co_await workshop.runtime.run(
      std::move(spec),
      [listener](int stream, std::string_view text) { listener->log(stream, text); });
  if (!status.ok()) throw_failure(op, status);
  auto forget = [&] { workspace->forget(mount_points(op)); };
  co_await os::offload(workshop.pool, forget);
  co_return co_await add_layer(workshop, std::move(inputs.front()), std::move(workspace));
}

}  // namespace kiln::ops
