// A layer's snapshot → its blob, with what an earlier blob has already. Internal to layers.cc.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "builder/layer/write_layer.h"
#include "builder/store/store.h"

namespace kiln::ops {

/// What the blob of a layer is made from.
struct BlobSources {
  std::vector<std::filesystem::path> directories;  ///< bottom first; several are mounted as one
  std::vector<std::string> implied;
  std::optional<store::LayerRow> predecessor;  ///< store::LayerRow::predecessor
  std::string predecessor_blocks;
};

/// Blocks.
[[nodiscard]] layer::LayerBlob write_blob(store::Store& store,
                                          const BlobSources& sources,
                                          int threads,
                                          std::stop_token stop);

}  // namespace kiln::ops
