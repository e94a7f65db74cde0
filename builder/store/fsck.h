// What can be told of a store without knowing what layers are. For builder/fsck.h.
#pragma once

#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "builder/store/lease.h"
#include "builder/store/store.h"
#include "proto/messages.h"

namespace kiln::store {

/// What SQLite finds wrong with the database, a line each. On a connection of its own: nobody waits
/// for it. Blocks.
[[nodiscard]] std::vector<std::string> database_problems(Store& store);

/// The names in blobs/sha256 that are digests. Blocks.
[[nodiscard]] std::vector<Digest> blob_names(Store& store);

/// Reads and hashes a blob; what is wrong with it, nullopt when it is sound or gone meanwhile. It
/// is left where it is. Blocks; throws Error{cancelled}.
[[nodiscard]] std::optional<std::string> blob_problem(Store& store,
                                                      const Digest& digest,
                                                      std::stop_token stop);

/// Takes a snapshot that is damaged out of sight, unless a lease holds the layer; false then.
/// Blocks.
bool drop_snapshot(Store& store, const LeaseTable& leases, LayerId layer);

/// What was found damaged, whether it is still there or not.
struct Damaged {
  std::set<Digest> blobs;
  std::set<LayerId> snapshots;
};

/// Records that name layers which are gone or can no longer be had; images of which parts are gone
/// or damaged and cannot be made or fetched again; entries of snapshots/ that no layer names. With
/// `repair` they are dropped. Blocks.
[[nodiscard]] std::vector<FsckReport::Finding> check_rows(Store& store,
                                                          const Damaged& damaged,
                                                          bool repair);

}  // namespace kiln::store
