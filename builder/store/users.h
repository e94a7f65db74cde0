// Who needs what, by the names that people know. Internal to df and fsck.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "builder/store/gc_plan.h"

namespace kiln::store {

[[nodiscard]] std::string name_of(const ImageRow& image);
/// "RUN make (5f70bf18a086)"
[[nodiscard]] std::string name_of(const RecordRow& record);

/// Refers to the inventory.
class Users {
 public:
  Users(const Inventory& inventory, ImageNeeds& needs);

  /// "image app:1", "base image alpine:3".
  [[nodiscard]] std::vector<std::string> of_blob(const Digest& blob) const;
  /// Records that stand on the layer.
  [[nodiscard]] std::vector<const RecordRow*> of_layer(LayerId layer) const;
  /// The record of the step that made the layer; nullptr when there is none.
  [[nodiscard]] const RecordRow* maker_of(LayerId layer) const;
  /// All of that: images by its blob, and "record ..." each.
  [[nodiscard]] std::vector<std::string> names(const LayerRow& layer) const;

 private:
  std::map<Digest, std::vector<std::string>> blobs_;
  std::unordered_map<LayerId, std::vector<const RecordRow*>> layers_;
  std::unordered_map<LayerId, const RecordRow*> makers_;
};

}  // namespace kiln::store
