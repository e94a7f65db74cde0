#include "builder/image/assemble.h"

#include <algorithm>
#include <ranges>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::image {

namespace {

/// Docker's layer types name the same bytes; an OCI manifest has OCI's names.
std::string to_oci_layer_type(std::string_view type) {
  if (type == oci::kDockerLayerGzip) return std::string(oci::kLayerGzip);
  if (type == "application/vnd.docker.image.rootfs.diff.tar") return std::string(oci::kLayer);
  if (type == "application/vnd.docker.image.rootfs.diff.tar.zstd")
    return std::string(oci::kLayerZstd);
  return std::string(type);
}

/// The date of new steps that come before the first new layer: that layer's, or else the base's.
/// source: BuildKit, normalizeLayersAndHistory
template <class DateOf>
std::string first_date(const oci::ImageConfig& config,
                       const std::vector<NewStep>& steps,
                       const DateOf& date_of) {
  const auto layer = std::ranges::find_if(
      steps, [](const NewStep& step) { return step.layer_created_ns.has_value(); });
  if (layer != steps.end()) return date_of(*layer);
  for (const oci::HistoryEntry& entry : std::views::reverse(config.history)) {
    if (!entry.created.empty()) return entry.created;
  }
  return config.created;
}

}  // namespace

oci::ImageConfig complete_config(oci::ImageConfig config,
                                 const std::vector<store::LayerRow>& layers,
                                 std::vector<NewStep> steps,
                                 std::optional<std::int64_t> epoch) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  config.diff_ids.clear();
  config.cache.clear();  // of the base image
  for (const store::LayerRow& layer : layers) {
    check(layer.diff_id.has_value(), "a layer with a blob has a diff id");
    config.diff_ids.push_back(*layer.diff_id);
  }
  const auto date_of = [&](const NewStep& step) {
    return os::to_rfc3339(epoch ? *epoch * kSecond : *step.layer_created_ns);
  };
  std::string last = first_date(config, steps, date_of);
  for (NewStep& step : steps) {
    if (epoch || step.layer_created_ns) last = date_of(step);
    step.entry.created = last;
    step.entry.empty_layer = !step.layer_created_ns;
    config.history.push_back(std::move(step.entry));
  }
  config.created = last;
  return config;
}

oci::Descriptor store_image(const store::BlobStore& blobs,
                            const oci::ImageConfig& config,
                            const std::vector<store::LayerRow>& layers) {
  const std::string config_text = oci::to_json(config);
  oci::Manifest manifest{
      std::string(oci::kManifest),
      {std::string(oci::kConfig), blobs.put(config_text), config_text.size(), {}, {}},
      {},
      {}};
  for (const store::LayerRow& layer : layers) {
    check(layer.blob.has_value(), "an image's layers have blobs");
    manifest.layers.push_back(
        {to_oci_layer_type(layer.media_type), *layer.blob, layer.blob_bytes, {}, {}});
  }
  const std::string text = oci::to_json(manifest);
  return {std::string(oci::kManifest), blobs.put(text), text.size(), {}, config.platform};
}

oci::Descriptor store_index(const store::BlobStore& blobs, std::vector<oci::Descriptor> manifests) {
  const oci::Index index{std::string(oci::kIndex), std::move(manifests), {}};
  const std::string text = oci::to_json(index);
  return {std::string(oci::kIndex), blobs.put(text), text.size(), {}, {}};
}

}  // namespace kiln::image
