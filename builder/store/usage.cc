#include <algorithm>
#include <map>

#include "builder/os/dir.h"
#include "builder/store/disk_size.h"
#include "builder/store/gc.h"
#include "builder/store/gc_plan.h"
#include "builder/store/git_cache.h"
#include "builder/store/implied_names.h"

namespace kiln::store {

namespace {

namespace fs = std::filesystem;

DiskUsage::Row snapshots(const Store& store, const Inventory& inventory, const Plan& plan) {
  const fs::path root = store.root() / "snapshots";
  DiskUsage::Row row{"snapshots", 0, own_disk_bytes(root), 0};
  std::set<std::string> going;
  for (const LayerRow& layer : plan.layers)
    going.insert(store.snapshot_path(layer.id).filename());
  for (const LayerRow& layer : plan.snapshots)
    going.insert(store.snapshot_path(layer.id).filename());
  for (const fs::path& path : implied_paths_of(store, plan.layers))
    going.insert(path.filename());
  for (const os::DirEntry& entry : os::Dir::open(root).entries()) {
    const std::uint64_t bytes = disk_bytes(root / entry.name);
    row.size_bytes += bytes;
    if (going.contains(entry.name)) row.reclaimable_bytes += bytes;
  }
  row.count =
      static_cast<std::uint64_t>(std::ranges::count_if(inventory.layers, &LayerRow::has_snapshot));
  return row;
}

/// Each blob counts for the first that needs it: an image, a base image, a layer, nobody.
struct Blobs {
  DiskUsage::Row images{"images", 0, 0, 0};
  DiskUsage::Row base_images{"base images", 0, 0, 0};
  DiskUsage::Row layers{"layers", 0, 0, 0};
  DiskUsage::Row others{"blobs", 0, 0, 0};
};

Blobs blobs(const Store& store,
            const Inventory& inventory,
            ImageNeeds& needs,
            const LeaseTable& leases,
            const Plan& plan) {
  Blobs rows;
  rows.images.count = inventory.images.size();
  rows.base_images.count = inventory.resolutions.size();
  rows.layers.count = inventory.layers.size();
  rows.others.size_bytes =
      own_disk_bytes(store.root() / "blobs") + own_disk_bytes(store.root() / "blobs" / "sha256");
  std::map<Digest, DiskUsage::Row*> owner;
  for (const ImageRow& row : inventory.images) {
    for (const Digest& digest : needs.of(row.manifest))
      owner.emplace(digest, &rows.images);
  }
  for (const ResolutionRow& row : inventory.resolutions) {
    for (const Digest& digest : needs.of(row.manifest))
      owner.emplace(digest, &rows.base_images);
  }
  for (const LayerRow& row : inventory.layers) {
    if (row.blob) owner.emplace(*row.blob, &rows.layers);
  }
  for (const BlobFile& blob : list_blobs(store)) {
    const auto found = owner.find(blob.digest);
    DiskUsage::Row& row = found == owner.end() ? rows.others : *found->second;
    if (&row == &rows.others) ++row.count;
    row.size_bytes += blob.disk_bytes;
    if (is_garbage(blob, plan) && !leases.holds(blob.digest)) {
      row.reclaimable_bytes += blob.disk_bytes;
    }
  }
  return rows;
}

/// Those of RUN --mount=type=cache, which only prune with `all` removes.
DiskUsage::Row cache_mounts(const Store& store) {
  const fs::path root = store.root() / "cache-mounts";
  return {"cache mounts", os::Dir::open(root).entries().size(), disk_bytes(root), 0};
}

/// What failed steps left (ops/failed_steps.h makes and removes it).
DiskUsage::Row failed_steps(const Store& store) {
  const fs::path root = store.root() / "failed";
  std::error_code error;
  if (!fs::exists(root, error)) return {"failed steps", 0, 0, 0};
  const std::uint64_t bytes = disk_bytes(root);
  return {"failed steps", os::Dir::open(root).entries().size(), bytes,
          bytes - own_disk_bytes(root)};
}

DiskUsage::Row repositories(const Store& store) {
  const std::uint64_t bytes = disk_bytes(store.root() / "git");
  return {"git repositories", count_repositories(store), bytes, bytes};
}

/// The database, the lock, and whatever else is in the root.
DiskUsage::Row rest(const Store& store) {
  DiskUsage::Row row{"database", 1, own_disk_bytes(store.root()), 0};
  for (const os::DirEntry& entry : os::Dir::open(store.root()).entries()) {
    static const std::set<std::string> kCountedElsewhere{
        "blobs", "snapshots", "builds", "cache-mounts", "failed", "git", "tmp"};
    if (!kCountedElsewhere.contains(entry.name)) {
      row.size_bytes += disk_bytes(store.root() / entry.name);
    }
  }
  return row;
}

}  // namespace

DiskUsage disk_usage(Store& store, const LeaseTable& leases) {
  std::uint64_t builds = 0;
  std::uint64_t file_digests = 0;
  const Inventory inventory = store.database().run_blocking([&](Tables& tables) {
    builds = tables.builds().size();
    file_digests = tables.count_file_digests();
    return take_inventory(tables);
  });
  ImageNeeds needs(store.blobs());
  const Plan plan = plan_prune(inventory, needs, store.blobs(), leases, /*all=*/false);
  const Blobs by_owner = blobs(store, inventory, needs, leases, plan);
  return {{by_owner.images,
           by_owner.base_images,
           by_owner.layers,
           snapshots(store, inventory, plan),
           by_owner.others,
           cache_mounts(store),
           failed_steps(store),
           repositories(store),
           {"cache records", inventory.records.size(), 0, 0},
           {"file digests", file_digests, 0, 0},
           {"logs", builds, disk_bytes(store.root() / "builds"), 0},
           {"unfinished", 0, disk_bytes(store.root() / "tmp"), 0},
           rest(store)}};
}

}  // namespace kiln::store
