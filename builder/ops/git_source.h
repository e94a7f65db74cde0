// Git repositories as sources: a ref resolved to a commit, a commit's tree as a layer.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "builder/graph/key_encoding.h"
#include "builder/ops/executor.h"
#include "builder/ops/git_remote.h"
#include "builder/ops/git_revision.h"

namespace kiln::ops {

/// Asks the remote what the source's ref is; a whole commit is asked nobody about. Throws Error
/// naming the remote without credentials: {not_found} for a ref that it has not, {corrupt} when
/// it is not what the checksum says. source: BuildKit's source/git, resolveMetadata.
boost::asio::awaitable<GitRevision> resolve_git(graph::GitSource source,
                                                GitAccess access,
                                                solver::Listener listener);

/// What the source's key consists of.
[[nodiscard]] std::vector<graph::KeyPart> git_parts(const graph::GitSource& source,
                                                    const GitRevision& revision);

/// The revision's tree as a layer, fetched unless it is known.
boost::asio::awaitable<solver::Stack> load_git(graph::GitSource source,
                                               GitRevision revision,
                                               GitAccess access,
                                               solver::Listener listener,
                                               Workshop& workshop);

/// When the revision was committed, seconds; it is fetched unless it is known.
boost::asio::awaitable<std::int64_t> git_commit_time(graph::GitSource source,
                                                     GitRevision revision,
                                                     GitAccess access,
                                                     solver::Listener listener,
                                                     Workshop& workshop);

}  // namespace kiln::ops
