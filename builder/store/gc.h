// What may go, and how much is there.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "builder/store/lease.h"
#include "builder/store/store.h"
#include "proto/messages.h"

namespace kiln::store {

/// Something that takes space and that no other row needs: a cache mount, a copy of a git
/// repository, the history of a build.
struct Disposable {
  enum class Kind { cache_mount, repository, build };
  Kind kind = Kind::cache_mount;
  std::string name;  ///< of its directory
  std::int64_t last_used_ns = 0;
  std::uint64_t disk_bytes = 0;
};

/// How much a collection shall remove.
struct Goal {
  /// Base images and what images were made of too, so that only the images stay.
  bool all = false;
  /// Nothing that was used since.
  std::int64_t used_before_ns = std::numeric_limits<std::int64_t>::max();
  /// Stop when so much is freed, least recently used first; nullopt: never.
  std::optional<std::uint64_t> free_bytes{};
};

struct Collected {
  PruneReport report;
  std::vector<Disposable> others;  ///< of those that were given: for the caller to remove
};

/// Removes images without a name, cache records that no lease holds, then layers that no record,
/// image or lease needs, then blobs that no image, resolution, layer or lease names. Unless all
/// shall go, records of images' layers and of base images (resolutions) stay, and with them what
/// makes a rebuild quick. An image keeps its blobs, and a snapshot where the layer's blob is not
/// here. `others` take part in the order, and nothing of them is removed here. Never breaks a
/// running build (lease.h). Blocks; on a thread. Images' needs are read from their manifests in the
/// blob store.
[[nodiscard]] Collected collect(Store& store,
                                LeaseTable& leases,
                                const Goal& goal,
                                const std::vector<Disposable>& others);

/// The same without a limit, with the copies of git repositories that nobody uses; with `all` the
/// file digests too.
[[nodiscard]] PruneReport prune(Store& store, LeaseTable& leases, bool all);

/// Exact sizes on disk (allocated bytes, as du counts) per kind, and what prune without `all` would
/// free; every byte of the root counts once. Walks the snapshots. With items each thing that takes
/// space is listed. Blocks; on the pool.
[[nodiscard]] DiskUsage disk_usage(Store& store, const LeaseTable& leases, bool with_items = false);

}  // namespace kiln::store
