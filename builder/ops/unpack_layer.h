// A layer's blob → its snapshot. Internal to layers.cc.
#pragma once

#include <cstdint>
#include <stop_token>

#include "builder/layer/apply_layer.h"
#include "builder/store/store.h"

namespace kiln::ops {

struct Unpacked {
  layer::Applied applied;
  std::uint64_t disk_bytes = 0;
};

/// Blob → snapshot directory, verified against the layer's diff id. Blocks.
[[nodiscard]] Unpacked unpack(store::Store& store,
                              const store::LayerRow& row,
                              std::stop_token stop);

}  // namespace kiln::ops
