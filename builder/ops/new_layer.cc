#include "builder/ops/new_layer.h"

#include <boost/asio/post.hpp>

#include "builder/os/offload.h"
#include "builder/solver/phase_timer.h"

namespace kiln::ops {

namespace asio = boost::asio;

std::shared_ptr<snapshot::Workspace> open_workspace(
    Workshop& workshop,
    std::string_view purpose,
    const std::vector<std::filesystem::path>& lowers) {
  auto made = std::make_unique<snapshot::Workspace>(workshop.store.make_temp(purpose), lowers);
  return {made.release(), [&pool = workshop.pool](snapshot::Workspace* workspace) {
            asio::post(pool, [owned = std::unique_ptr<snapshot::Workspace>(workspace)] {});
          }};
}

asio::awaitable<solver::Stack> add_layer(Workshop& workshop,
                                         solver::Stack base,
                                         std::shared_ptr<snapshot::Workspace> workspace,
                                         solver::Listener listener,
                                         Descent descent) {
  solver::PhaseTimer timer(std::move(listener), Phase::diff);
  // The row comes first, without a snapshot: its number names the directory, and a directory that a
  // row names is never taken for an orphan.
  auto add = [descent](store::Tables& tables) {
    store::LayerRow row;
    row.delta_of = descent.delta_of;
    row.predecessor = descent.predecessor;
    row.created_ns = os::now_ns();
    return tables.add_layer(row);
  };
  const store::LayerId layer = co_await workshop.store.database().run(add);
  auto commit = [&workshop, workspace, layer] {
    const std::filesystem::path path = workshop.store.snapshot_path(layer);
    workspace->commit(path);
    return snapshot::disk_bytes(path);
  };
  const std::uint64_t bytes = co_await os::offload(workshop.pool, commit);
  auto keep = [layer, bytes, descent](store::Tables& tables) {
    tables.set_layer_snapshot(layer, true, bytes, descent.delta_of);
  };
  co_await workshop.store.database().run(keep);
  timer.stop(bytes);
  base.push_back(layer);
  co_return base;
}

}  // namespace kiln::ops
