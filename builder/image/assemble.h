// Configuration and layers → manifest; manifests → index. Documents go into the blob store.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "builder/store/blob_store.h"
#include "builder/store/database.h"
#include "proto/oci.h"

namespace kiln::image {

/// A history entry still without its date, and the layer that it describes (by position among the
/// new layers); nullopt: it made none.
struct NewStep {
  oci::HistoryEntry entry;
  std::optional<std::int64_t> layer_created_ns;
};

/// Completes an image's configuration.
///
/// `config` has the base image's diff ids and history; `layers` are all layers of the new image. A
/// step that made no layer is dated as the step before it. The image is dated as its last step;
/// with `epoch` (SOURCE_DATE_EPOCH, seconds) all new dates are that. So a fully cached build gives
/// the same bytes.
[[nodiscard]] oci::ImageConfig complete_config(oci::ImageConfig config,
                                               const std::vector<store::LayerRow>& layers,
                                               std::vector<NewStep> steps,
                                               std::optional<std::int64_t> epoch);

/// Stores configuration and manifest; the descriptor of the manifest, with its platform.
[[nodiscard]] oci::Descriptor store_image(const store::BlobStore& blobs,
                                          const oci::ImageConfig& config,
                                          const std::vector<store::LayerRow>& layers);

/// Stores an index of several platforms' manifests.
[[nodiscard]] oci::Descriptor store_index(const store::BlobStore& blobs,
                                          std::vector<oci::Descriptor> manifests);

}  // namespace kiln::image
