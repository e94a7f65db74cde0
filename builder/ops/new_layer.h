// A workspace's changes become a layer of the store.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>

#include "builder/ops/executor.h"
#include "builder/snapshot/workspace.h"

namespace kiln::ops {

/// Mounts a writable root file system; blocks. It is unmounted and removed on the pool, where
/// removing much may take its time, by whoever drops it last.
std::shared_ptr<snapshot::Workspace> open_workspace(
    Workshop& workshop, std::string_view purpose, const std::vector<std::filesystem::path>& lowers);

/// What a new layer has to do with earlier ones.
struct Descent {
  store::LayerId delta_of{};  ///< the workspace's topmost lower directory, when that is no part of
                              ///< the stack below (store::LayerRow)
  store::LayerId predecessor{};
};

/// Commits `workspace` as a new layer and returns `base` with it on top. The snapshot gets its name
/// before the database says that it is there: what is between the two after a crash is removed at
/// the next start. `listener` is told how long that took.
boost::asio::awaitable<solver::Stack> add_layer(Workshop& workshop,
                                                solver::Stack base,
                                                std::shared_ptr<snapshot::Workspace> workspace,
                                                solver::Listener listener,
                                                Descent descent = {});

}  // namespace kiln::ops
