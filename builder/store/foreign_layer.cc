#include "builder/store/foreign_layer.h"

namespace kiln::store {

namespace {

/// Until a row's content was seen, its diff id is only somebody's word, and its origin may be gone.
bool was_seen(const LayerRow& known) {
  return known.has_snapshot || known.origin.empty();
}

bool serves(const LayerRow& known, const ForeignLayer& layer) {
  return was_seen(known) || (known.blob == layer.blob && known.blob_bytes == layer.blob_bytes &&
                             known.origin == layer.origin);
}

}  // namespace

std::optional<LayerRow> seen_layer(Tables& tables, const DiffId& diff_id) {
  std::optional<LayerRow> known = tables.layer_by_diff_id(diff_id);
  if (known && !was_seen(*known)) return std::nullopt;
  return known;
}

LayerId find_or_add_layer(Tables& tables, const ForeignLayer& layer) {
  const std::optional<LayerRow> known = tables.layer_by_diff_id(layer.diff_id);
  if (known && serves(*known, layer)) return known->id;
  LayerRow row;
  row.diff_id = layer.diff_id;
  row.blob = layer.blob;
  row.media_type = layer.media_type;
  row.blob_bytes = layer.blob_bytes;
  row.origin = layer.origin;
  row.created_ns = layer.created_ns;
  return tables.add_layer(row);
}

}  // namespace kiln::store
