// What builds leave behind: a row each, and ROOT/builds/ID with the log.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "builder/store/store.h"

namespace kiln::store {

struct History {
  BuildRow row;  ///< only the id of a directory that no row names: what a lost database leaves
  std::uint64_t disk_bytes = 0;
};

/// All of them, newest first; those without a row last. Blocks.
[[nodiscard]] std::vector<History> list_histories(Store& store);

struct HistoriesRemoved {
  std::uint64_t count = 0;
  std::uint64_t freed_bytes = 0;
};

/// Removes those of `ids` that are there and do not run, the row before the log. Throws Error
/// naming a directory that cannot be removed. Blocks.
HistoriesRemoved remove_histories(Store& store, const std::vector<std::string>& ids);

}  // namespace kiln::store
