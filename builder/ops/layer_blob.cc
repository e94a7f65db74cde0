#include "builder/ops/layer_blob.h"

#include <fcntl.h>

#include "builder/snapshot/workspace.h"

namespace kiln::ops {

namespace {

/// A table of fewer blocks is not worth its row.
constexpr std::size_t kMinBlocks = 4;

/// The predecessor's blob, when it and the places of its blocks are known.
std::optional<layer::EarlierBlob> open_predecessor(store::Store& store,
                                                   const BlobSources& sources) {
  if (!sources.predecessor || !sources.predecessor->blob) return std::nullopt;
  const auto table = layer::BlockTable::decode(sources.predecessor_blocks);
  const store::LayerRow& row = *sources.predecessor;
  if (!table || !store.blobs().has(*row.blob, row.blob_bytes)) return std::nullopt;
  return layer::EarlierBlob(os::open_file(store.blobs().path(*row.blob), O_RDONLY), *table);
}

}  // namespace

layer::LayerBlob write_blob(store::Store& store,
                            const BlobSources& sources,
                            int threads,
                            std::stop_token stop) {
  const std::optional<layer::EarlierBlob> earlier = open_predecessor(store, sources);
  layer::WriteOptions options;
  options.threads = threads;
  options.implied = sources.implied;
  options.earlier = earlier ? &*earlier : nullptr;
  options.outside = sources.outside;
  options.growing = sources.growing;
  if (sources.directories.size() == 1)
    return layer::write_layer(sources.directories.front(), options, store.blobs(), std::move(stop));
  // A difference has no deletions of what is below both, so the mount shows the layer as it is.
  const snapshot::View view(store.make_temp("view"), sources.directories);
  return layer::write_layer(view.root(), options, store.blobs(), std::move(stop));
}

void keep_blob(store::Tables& tables, store::LayerId layer, const layer::LayerBlob& blob) {
  const oci::Descriptor& descriptor = blob.descriptor;
  tables.set_layer_blob(layer, blob.diff_id, descriptor.digest, descriptor.media_type,
                        descriptor.size_bytes);
  if (blob.blocks.places().size() >= kMinBlocks)
    tables.set_layer_blocks(layer, blob.blocks.encode());
}

}  // namespace kiln::ops
