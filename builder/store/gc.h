// What may go, and how much is there.
#pragma once

#include "builder/store/lease.h"
#include "builder/store/store.h"
#include "proto/messages.h"

namespace kiln::store {

/// Removes images without a name, cache records that no lease holds, then layers that no record,
/// image or lease needs, then blobs that no image, resolution, layer or lease names. Records of
/// images' layers and of base images (resolutions) stay, and with them what makes a rebuild quick;
/// with `all` they go too, and the file digests, so that only the images stay. An image keeps its
/// blobs, and a snapshot where the layer's blob is not here. Never breaks a running build
/// (lease.h). Blocks; on the pool. Images' needs are read from their manifests in the blob store.
[[nodiscard]] PruneReport prune(Store& store, LeaseTable& leases, bool all);

/// Exact sizes on disk (allocated bytes, as du counts) per kind, and what prune without `all` would
/// free; every byte of the root counts once. Walks the snapshots. Blocks; on the pool.
[[nodiscard]] DiskUsage disk_usage(Store& store, const LeaseTable& leases);

}  // namespace kiln::store
