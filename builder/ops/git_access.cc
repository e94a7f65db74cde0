#include "builder/ops/git_access.h"

namespace kiln::ops {

boost::asio::awaitable<LentGitAccess> lend_git_access(ClientSecrets secrets,
                                                      solver::Listener listener,
                                                      Workshop& workshop) {
  LentGitAccess lent;
  if (std::shared_ptr<const ClientAgent> agent = secrets.agent("default")) {
    lent.agent = co_await workshop.agents.open(std::move(agent), {}, std::move(listener));
    lent.access.ssh_agent = lent.agent->path();
  }
  lent.access.secrets = std::move(secrets);
  co_return lent;
}

}  // namespace kiln::ops
