// What may go, and how much is there.
#pragma once

#include "builder/store/lease.h"
#include "builder/store/store.h"
#include "proto/messages.h"

namespace kiln::store {

/// Removes cache records that no lease holds, then layers that no record, image or lease needs,
/// then blobs that no image, resolution, layer or lease names. With `all`, records of images'
/// layers and resolutions go too, so that only the images stay. Never breaks a running build.
/// Blocks; on the pool. Images' needs are read from their manifests in the blob store.
[[nodiscard]] PruneReport prune(Store& store, const LeaseTable& leases, bool all);

/// Exact sizes on disk (allocated bytes, as du counts) per kind, and what prune would free.
[[nodiscard]] DiskUsage disk_usage(Store& store, const LeaseTable& leases);

}  // namespace kiln::store
