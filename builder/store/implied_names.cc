#include "builder/store/implied_names.h"

#include <set>
#include <string>

#include "builder/os/dir.h"

namespace kiln::store {

bool is_implied_name(std::string_view name) {
  return name.find('.') != std::string_view::npos;
}

std::vector<std::filesystem::path> implied_paths_of(const Store& store,
                                                    const std::vector<LayerRow>& layers) {
  std::set<std::string> ids;
  for (const LayerRow& layer : layers)
    ids.insert(store.snapshot_path(layer.id).filename());
  std::vector<std::filesystem::path> paths;
  const std::filesystem::path snapshots = store.root() / "snapshots";
  for (const os::DirEntry& entry : os::Dir::open(snapshots).entries()) {
    if (is_implied_name(entry.name) && ids.contains(entry.name.substr(0, entry.name.find('.'))))
      paths.push_back(snapshots / entry.name);
  }
  return paths;
}

}  // namespace kiln::store
