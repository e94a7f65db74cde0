// The names of Store::implied_path among those of snapshots: ID.DIGEST beside ID. Internal to the
// store.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "builder/store/store.h"

namespace kiln::store {

[[nodiscard]] bool is_implied_name(std::string_view name);

/// Those that go with one of the layers. A layer's number is never used again.
[[nodiscard]] std::vector<std::filesystem::path> implied_paths_of(
    const Store& store, const std::vector<LayerRow>& layers);

}  // namespace kiln::store
