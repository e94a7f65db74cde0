// Layers that somebody else describes: a manifest, or another machine's cache.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "builder/store/database.h"
#include "proto/digest.h"

namespace kiln::store {

/// A layer by what all machines call it.
struct ForeignLayer {
  DiffId diff_id;  ///< somebody's word until the layer was unpacked
  Digest blob;
  std::uint64_t blob_bytes = 0;
  std::string media_type;
  std::string origin;  ///< registry/repository that has the blob; "": the blob store, or nobody
  std::int64_t created_ns = 0;
};

/// The row of a layer of that content, whatever its blob; nullopt unless its content was seen here.
[[nodiscard]] std::optional<LayerRow> seen_layer(Tables& tables, const DiffId& diff_id);

/// The row that does for the layer, made where none does.
LayerId find_or_add_layer(Tables& tables, const ForeignLayer& layer);

}  // namespace kiln::store
