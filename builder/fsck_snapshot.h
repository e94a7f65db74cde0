// Whether a snapshot still holds what its layer is.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "builder/store/store.h"

namespace kiln {

struct SnapshotFacts {
  store::LayerRow layer;
  std::vector<std::string> implied;  ///< Tables::implied_directories
  bool has_sound_blob = false;
};

struct SnapshotVerdict {
  enum class Means { tar, blob, times };
  Means means = Means::times;          ///< how it was told
  std::optional<std::string> problem;  ///< nullopt: sound
};

/// Reads all of the snapshot. Blocks; throws Error{cancelled}.
[[nodiscard]] SnapshotVerdict judge_snapshot(store::Store& store,
                                             const SnapshotFacts& facts,
                                             std::stop_token stop);

}  // namespace kiln
