// A commit's files, as BuildKit lays them out.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "builder/ops/git_repository.h"
#include "builder/ops/git_source.h"
#include "builder/snapshot/workspace.h"

namespace kiln::ops {

struct Checkout {
  const graph::GitSource& source;
  const GitRevision& revision;
  const GitRemote& remote;
  solver::Listener listener;
};

/// Checks the revision, which `repository` has, out into a new file system: files 0644 or 0755,
/// owner 0:0, with submodules at their commits, only the subdirectory where one is asked for. A
/// kept .git has that one commit, HEAD detached at it. Throws Error naming the remote.
/// source: BuildKit's source/git, checkout.
boost::asio::awaitable<std::shared_ptr<snapshot::Workspace>> check_out(Checkout checkout,
                                                                       GitRepository& repository,
                                                                       Workshop& workshop);

}  // namespace kiln::ops
