// A layer → its blob, with what an earlier blob has already. Internal to ops.
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
  layer::OutsideFiles* outside = nullptr;  ///< layer::WriteOptions::outside
  store::GrowingBlob* growing = nullptr;   ///< layer::WriteOptions::growing
};

/// Blocks.
[[nodiscard]] layer::LayerBlob write_blob(store::Store& store,
                                          const BlobSources& sources,
                                          int threads,
                                          std::stop_token stop);

/// Notes the blob in the layer's row, and where its blocks are when they are worth it.
void keep_blob(store::Tables& tables, store::LayerId layer, const layer::LayerBlob& blob);

}  // namespace kiln::ops
