// The sizes of everything in a root, walked once. Internal to the accounts of disk usage.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "builder/store/gc_plan.h"
#include "builder/store/store.h"

namespace kiln::store {

struct Walked {
  using Sizes = std::map<std::string, std::uint64_t>;  ///< by the name of the entry
  Sizes snapshots;                                     ///< with what is beside them
  Sizes cache_mounts;
  Sizes repositories;
  Sizes failed;  ///< what failed steps left
  Sizes builds;
  Sizes unfinished;
  Sizes rest;  ///< of the root itself: the database, the lock
  std::vector<BlobFile> blobs;
  Sizes directories;  ///< that hold these, alone
};

/// Blocks.
[[nodiscard]] Walked walk(const Store& store);

[[nodiscard]] std::uint64_t sum_of(const Walked::Sizes& sizes);

}  // namespace kiln::store
