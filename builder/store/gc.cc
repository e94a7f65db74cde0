// How pruning stays out of the way of running builds.
//
// Which rows go is decided and done in one transaction, which looks at the leases: whoever leased a
// layer in the transaction that found it keeps it. Files go afterwards. A layer's number is never
// used again, so its directory has no new owner by then; a snapshot whose row stays is taken out of
// snapshots/ within the transaction, because a build that sees the row without it may unpack it
// again at once. A blob may have become needed since; LeaseTable::Sweep tells.
#include "builder/store/gc.h"

#include <cerrno>
#include <cstdio>
#include <string>

#include "builder/store/disk_size.h"
#include "builder/store/file_lists.h"
#include "builder/store/gc_plan.h"
#include "builder/store/git_cache.h"
#include "builder/store/implied_names.h"
#include "proto/error.h"

namespace kiln::store {

namespace {

namespace fs = std::filesystem;

/// Takes things out of sight by rename, then removes them and counts what that freed.
class Trash {
 public:
  explicit Trash(Store& store) : directory_(store.make_temp("gc")) {}

  void take(const fs::path& path) {
    const fs::path target = directory_.path() / std::to_string(count_++);
    if (::rename(path.c_str(), target.c_str()) != 0 && errno != ENOENT) {
      throw system_error(errno, "rename to " + target.string());
    }
  }

  std::uint64_t empty() {
    std::uint64_t freed = 0;
    for (; count_ > 0; --count_) {
      const fs::path path = directory_.path() / std::to_string(count_ - 1);
      freed += disk_bytes(path);
      os::remove_tree(path);
    }
    return freed;
  }

 private:
  os::TempDir directory_;
  std::uint64_t count_ = 0;
};

/// Reads the manifests ahead, so that the transaction need not.
void read_needs(Store& store, ImageNeeds& needs) {
  const Inventory inventory =
      store.database().run_blocking([](Tables& tables) { return take_inventory(tables); });
  for (const ImageRow& row : inventory.images)
    needs.of(row.manifest);
  for (const ResolutionRow& row : inventory.resolutions)
    needs.of(row.manifest);
}

void remove_rows(Store& store, Tables& tables, const Plan& plan, Trash& trash) {
  for (const std::string& reference : plan.images)
    tables.remove_image(reference);
  for (const std::string& key : plan.records)
    tables.remove_record(key);
  for (const ResolutionRow& row : plan.resolutions)
    tables.remove_resolution(row.reference, row.platform);
  for (const LayerRow& row : plan.layers)
    tables.remove_layer(row.id);
  for (const LayerRow& row : plan.snapshots) {
    tables.set_layer_snapshot(row.id, false, 0);
    trash.take(store.snapshot_path(row.id));
  }
}

}  // namespace

PruneReport prune(Store& store, LeaseTable& leases, bool all) {
  const Reserve::Use room(store.reserve());
  LeaseTable::Sweep sweep(leases);
  Trash trash(store);
  ImageNeeds needs(store.blobs());
  read_needs(store, needs);
  const Plan plan = store.database().run_blocking([&](Tables& tables) {
    Plan decided = plan_prune(take_inventory(tables), needs, store.blobs(), leases, all);
    remove_rows(store, tables, decided, trash);
    if (all) tables.clear_file_digests();
    return decided;
  });
  for (const LayerRow& row : plan.layers)
    trash.take(store.snapshot_path(row.id));
  for (const fs::path& path : implied_paths_of(store, plan.layers))
    trash.take(path);
  for (const BlobFile& blob : list_blobs(store)) {
    if (!is_garbage(blob, plan)) continue;
    sweep.remove(blob.digest, [&] { trash.take(store.blobs().path(blob.digest)); });
  }
  each_unused_repository(store, [&](const fs::path& repository) { trash.take(repository); });
  const std::uint64_t lists = sweep_file_lists(store);
  return {plan.records.size(), trash.empty() + lists};
}

}  // namespace kiln::store
