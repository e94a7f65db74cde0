// How much there is of each kind, and which of it nobody needs.
#include <algorithm>
#include <map>

#include "builder/store/gc.h"
#include "builder/store/gc_plan.h"
#include "builder/store/implied_names.h"
#include "builder/store/usage_items.h"
#include "builder/store/walked.h"

namespace kiln::store {

namespace {

namespace fs = std::filesystem;

DiskUsage::Row snapshots(const Store& store,
                         const Inventory& inventory,
                         const Plan& plan,
                         const Walked& walked) {
  DiskUsage::Row row{"snapshots", 0, walked.directories.at("snapshots"), 0};
  std::set<std::string> going;
  for (const LayerRow& layer : plan.layers)
    going.insert(store.snapshot_path(layer.id).filename());
  for (const LayerRow& layer : plan.snapshots)
    going.insert(store.snapshot_path(layer.id).filename());
  for (const fs::path& path : implied_paths_of(store, plan.layers))
    going.insert(path.filename());
  for (const auto& [name, bytes] : walked.snapshots) {
    row.size_bytes += bytes;
    if (going.contains(name)) row.reclaimable_bytes += bytes;
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

Blobs blobs(const Walked& walked,
            const Inventory& inventory,
            ImageNeeds& needs,
            const LeaseTable& leases,
            const Plan& plan) {
  Blobs rows;
  rows.images.count = inventory.images.size();
  rows.base_images.count = inventory.resolutions.size();
  rows.layers.count = inventory.layers.size();
  rows.others.size_bytes = walked.directories.at("blobs") + walked.directories.at("blobs/sha256");
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
  for (const BlobFile& blob : walked.blobs) {
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

/// The entries of a folder, and the folder itself.
DiskUsage::Row row_of(std::string kind,
                      const Walked& walked,
                      const Walked::Sizes& sizes,
                      const char* folder) {
  const auto directory = walked.directories.find(folder);
  const std::uint64_t own = directory == walked.directories.end() ? 0 : directory->second;
  return {std::move(kind), sizes.size(), sum_of(sizes) + own, 0};
}

}  // namespace

DiskUsage disk_usage(Store& store, const LeaseTable& leases, bool with_items) {
  std::vector<BuildRow> builds;
  std::uint64_t file_digests = 0;
  const Inventory inventory = store.database().run_blocking([&](Tables& tables) {
    builds = tables.builds();
    file_digests = tables.count_file_digests();
    return take_inventory(tables);
  });
  ImageNeeds needs(store.blobs());
  const Plan plan = plan_collection(inventory, needs, store.blobs(), leases, {});
  const Walked walked = walk(store);
  const Blobs by_owner = blobs(walked, inventory, needs, leases, plan);
  DiskUsage::Row repositories = row_of("git repositories", walked, walked.repositories, "git");
  repositories.reclaimable_bytes = sum_of(walked.repositories);
  DiskUsage::Row failed = row_of("failed steps", walked, walked.failed, "failed");
  failed.reclaimable_bytes = sum_of(walked.failed);
  DiskUsage usage{.rows = {by_owner.images,
                           by_owner.base_images,
                           by_owner.layers,
                           snapshots(store, inventory, plan, walked),
                           by_owner.others,
                           // which only prune with `all` removes
                           row_of("cache mounts", walked, walked.cache_mounts, "cache-mounts"),
                           // what failed steps left (ops/failed_steps.h makes and removes it)
                           failed,
                           repositories,
                           {"cache records", inventory.records.size(), 0, 0},
                           {"file digests", file_digests, 0, 0},
                           row_of("logs", walked, walked.builds, "builds"),
                           row_of("unfinished", walked, walked.unfinished, "tmp"),
                           row_of("database", walked, walked.rest, ".")}};
  if (with_items) usage.items = list_items(store, {inventory, walked, builds, leases}, needs);
  return usage;
}

}  // namespace kiln::store
