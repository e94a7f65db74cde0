#include "builder/ops/exec_secrets.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

void lend_secret(const graph::SecretMount& mount, const ClientSecrets& secrets, LentToStep& lent) {
  std::shared_ptr<const os::Secret> value = secrets.secret(mount.id);
  if (!value && mount.required) {
    throw Error(Errc::not_found,
                "secret {}: not found: the step requires it; pass it with --secret "
                "id={},src=FILE or --secret id={},env=VARIABLE",
                mount.id, mount.id, mount.id);
  }
  if (value && !mount.target.empty())
    lent.mounts.emplace_back(
        sandbox::SecretMount{value, mount.target, mount.mode, mount.uid, mount.gid});
  if (mount.variable.empty()) return;
  // source: BuildKit solver/llbsolver/ops/exec.go loadSecretEnv; the last of one name counts
  if (!value) value = std::make_shared<const os::Secret>();
  std::erase_if(lent.variables, [&](const auto& one) { return one.name == mount.variable; });
  lent.variables.push_back({mount.variable, std::move(value)});
}

asio::awaitable<void> lend_agent(const graph::SshMount& mount,
                                 const ClientSecrets& secrets,
                                 solver::Listener listener,
                                 Workshop& workshop,
                                 LentToStep& lent) {
  std::shared_ptr<const ClientAgent> agent = secrets.agent(mount.id);
  if (!agent && !mount.required) co_return;
  if (!agent) {
    throw Error(Errc::not_found,
                "SSH agent {}: not found: the step requires it; pass it with --ssh {}{}", mount.id,
                mount.id, mount.id == "default" ? "" : "=SOCKET or a private key's file");
  }
  const SocketOwner owner{mount.mode, mount.uid, mount.gid};
  lent.agents.push_back(
      co_await workshop.agents.open(std::move(agent), owner, std::move(listener)));
  lent.mounts.emplace_back(
      sandbox::BindMount{lent.agents.back().path(), mount.target, /*writable=*/true});
}

}  // namespace

asio::awaitable<LentToStep> lend_to_step(const graph::ExecOp& op,
                                         ClientSecrets secrets,
                                         solver::Listener listener,
                                         Workshop& workshop) {
  LentToStep lent;
  for (const graph::ExecMount& mount : op.mounts) {
    if (const auto* secret = std::get_if<graph::SecretMount>(&mount))
      lend_secret(*secret, secrets, lent);
    if (const auto* ssh = std::get_if<graph::SshMount>(&mount))
      co_await lend_agent(*ssh, secrets, listener, workshop, lent);
  }
  co_return lent;
}

}  // namespace kiln::ops
