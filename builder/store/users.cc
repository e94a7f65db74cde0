#include "builder/store/users.h"

#include <fmt/format.h>

#include "proto/reference.h"

namespace kiln::store {

std::string name_of(const ImageRow& image) {
  return image.reference.front() == kUnnamed ? image.reference.substr(1)
                                             : Reference::parse(image.reference).familiar();
}

std::string name_of(const RecordRow& record) {
  const std::size_t colon = record.key.find(':');
  return fmt::format("{} ({})", record.name,
                     record.key.substr(colon == std::string::npos ? 0 : colon + 1, 12));
}

Users::Users(const Inventory& inventory, ImageNeeds& needs) {
  for (const ImageRow& image : inventory.images) {
    for (const Digest& digest : needs.of(image.manifest))
      blobs_[digest].push_back("image " + name_of(image));
  }
  for (const ResolutionRow& row : inventory.resolutions) {
    for (const Digest& digest : needs.of(row.manifest))
      blobs_[digest].push_back("base image " + Reference::parse(row.reference).familiar());
  }
  for (const RecordRow& record : inventory.records) {
    for (const LayerId layer : record.layers)
      layers_[layer].push_back(&record);
    if (!record.layers.empty()) makers_.emplace(record.layers.back(), &record);
  }
}

std::vector<std::string> Users::of_blob(const Digest& blob) const {
  const auto found = blobs_.find(blob);
  return found == blobs_.end() ? std::vector<std::string>() : found->second;
}

std::vector<const RecordRow*> Users::of_layer(LayerId layer) const {
  const auto found = layers_.find(layer);
  return found == layers_.end() ? std::vector<const RecordRow*>() : found->second;
}

const RecordRow* Users::maker_of(LayerId layer) const {
  const auto found = makers_.find(layer);
  return found == makers_.end() ? nullptr : found->second;
}

std::vector<std::string> Users::names(const LayerRow& layer) const {
  std::vector<std::string> names;
  if (layer.blob) names = of_blob(*layer.blob);
  for (const RecordRow* record : of_layer(layer.id))
    names.push_back("record " + name_of(*record));
  return names;
}

}  // namespace kiln::store
