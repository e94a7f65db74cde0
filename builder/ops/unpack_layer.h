// A layer's blob → its snapshot. Internal to unpacker.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

#include "builder/layer/apply_layer.h"
#include "builder/store/growing_blob.h"
#include "builder/store/store.h"

namespace kiln::ops {

struct Unpacked {
  layer::Applied applied;
  std::uint64_t disk_bytes = 0;
};

/// Blob → snapshot directory, verified against the layer's diff id. Blocks.
[[nodiscard]] Unpacked unpack_layer(store::Store& store,
                                    const store::LayerRow& row,
                                    std::unique_ptr<Source> blob,
                                    std::stop_token stop);

/// The same of a blob that is being downloaded, once more when that begins again. nullopt when
/// anything fails: the bytes were not verified, so it says nothing. Blocks.
[[nodiscard]] std::optional<Unpacked> unpack_arriving(
    store::Store& store,
    const store::LayerRow& row,
    const std::shared_ptr<store::GrowingBlob>& blob,
    const std::stop_token& stop);

}  // namespace kiln::ops
