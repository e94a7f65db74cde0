// How pruning stays out of the way of running builds.
//
// Which rows go is decided and done in one transaction, which looks at the leases: whoever leased a
// layer in the transaction that found it keeps it. Files go afterwards. A layer's number is never
// used again, so its directory has no new owner by then; a snapshot whose row stays is taken out of
// snapshots/ within the transaction, because a build that sees the row without it may unpack it
// again at once. A blob may have become needed since; LeaseTable::Sweep tells.
#include "builder/store/gc.h"

#include <algorithm>
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
Inventory read_ahead(Store& store, ImageNeeds& needs) {
  Inventory inventory =
      store.database().run_blocking([](Tables& tables) { return take_inventory(tables); });
  for (const ImageRow& row : inventory.images)
    needs.of(row.manifest);
  for (const ResolutionRow& row : inventory.resolutions)
    needs.of(row.manifest);
  return inventory;
}

Rank rank_of(const Disposable& other) {
  return {other.last_used_ns, 0, other.name};
}

/// Finds how far a collection must go.
class Search {
 public:
  Search(Store& store,
         const LeaseTable& leases,
         const Inventory& inventory,
         ImageNeeds& needs,
         const std::vector<Disposable>& others)
      : store_(store), leases_(leases), inventory_(inventory), needs_(needs), others_(others) {}

  /// The cut that frees `bytes` and as little more as can be; everything when that is too little.
  [[nodiscard]] Cut find(Cut cut, std::uint64_t bytes) {
    blobs_ = list_blobs(store_);
    std::vector<Rank> ranks = ranks_of(inventory_, needs_);
    for (const Disposable& other : others_)
      ranks.push_back(rank_of(other));
    std::ranges::sort(ranks);
    std::size_t enough = ranks.size();
    for (std::size_t low = 0; low < enough;) {
      const std::size_t middle = low + (enough - low) / 2;
      cut.up_to = ranks[middle];
      if (freed(cut) >= bytes) {
        enough = middle;
      } else {
        low = middle + 1;
      }
    }
    cut.up_to = enough < ranks.size() ? ranks[enough] : kLastRank;
    return cut;
  }

 private:
  [[nodiscard]] std::uint64_t freed(const Cut& cut) {
    const Plan plan = plan_collection(inventory_, needs_, store_.blobs(), leases_, cut);
    std::uint64_t bytes = 0;
    for (const LayerRow& row : plan.layers)
      bytes += row.has_snapshot ? row.snapshot_bytes : 0;
    for (const LayerRow& row : plan.snapshots)
      bytes += row.snapshot_bytes;
    for (const BlobFile& blob : blobs_)
      bytes += is_garbage(blob, plan) && !leases_.holds(blob.digest) ? blob.disk_bytes : 0;
    for (const Disposable& other : others_)
      bytes += cut.takes(rank_of(other)) ? other.disk_bytes : 0;
    return bytes;
  }

  Store& store_;
  const LeaseTable& leases_;
  const Inventory& inventory_;
  ImageNeeds& needs_;
  const std::vector<Disposable>& others_;
  std::vector<BlobFile> blobs_;
};

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

void remove_files(Store& store, LeaseTable::Sweep& sweep, const Plan& plan, Trash& trash) {
  for (const LayerRow& row : plan.layers)
    trash.take(store.snapshot_path(row.id));
  for (const fs::path& path : implied_paths_of(store, plan.layers))
    trash.take(path);
  for (const BlobFile& blob : list_blobs(store)) {
    if (!is_garbage(blob, plan)) continue;
    sweep.remove(blob.digest, [&] {
      store.blobs().unless_found_since(plan.keep_since_ns, blob.digest,
                                       [&] { trash.take(store.blobs().path(blob.digest)); });
    });
  }
}

}  // namespace

Collected collect(Store& store,
                  LeaseTable& leases,
                  const Goal& goal,
                  const std::vector<Disposable>& others) {
  const Reserve::Use room(store.reserve());
  LeaseTable::Sweep sweep(leases);
  Trash trash(store);
  ImageNeeds needs(store.blobs());
  Cut cut{.all = goal.all, .used_before_ns = goal.used_before_ns, .up_to = kLastRank};
  {
    const Inventory inventory = read_ahead(store, needs);
    if (goal.free_bytes) {
      cut = Search(store, leases, inventory, needs, others).find(cut, *goal.free_bytes);
    }
  }
  const Plan plan = store.database().run_blocking([&](Tables& tables) {
    Plan decided = plan_collection(take_inventory(tables), needs, store.blobs(), leases, cut);
    remove_rows(store, tables, decided, trash);
    return decided;
  });
  remove_files(store, sweep, plan, trash);
  Collected collected{{plan.records.size(), trash.empty() + sweep_file_lists(store)}, {}};
  std::ranges::copy_if(others, std::back_inserter(collected.others),
                       [&](const Disposable& other) { return cut.takes(rank_of(other)); });
  return collected;
}

PruneReport prune(Store& store, LeaseTable& leases, bool all) {
  PruneReport report = collect(store, leases, {.all = all}, {}).report;
  if (all) store.database().run_blocking([](Tables& tables) { tables.clear_file_digests(); });
  Trash trash(store);
  each_unused_repository(store, [&](const fs::path& repository) { trash.take(repository); });
  report.freed_bytes += trash.empty();
  return report;
}

}  // namespace kiln::store
