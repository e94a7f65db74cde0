#include "builder/ops/context_list.h"

#include <algorithm>

#include "builder/graph/pattern.h"

namespace kiln::ops {

std::vector<ListedPath> list_paths(const ClientDirectory& directory,
                                   const std::vector<std::string>& ignore,
                                   std::stop_token stop) {
  const graph::PatternList patterns(ignore);
  std::vector<ListedPath> paths;
  const Exclusion exclusion{
      [&](std::string_view path) { return patterns.excludes(path); },
      [&](std::string_view path) { return patterns.excludes_subtree(path); },
      [&](std::string_view path, bool is_directory, bool whole) {
        paths.push_back({std::string(path), is_directory ? mode_t{S_IFDIR} : 0, 0, false, whole,
                         patterns.deciding_pattern(path)});
      }};
  const SourceTree tree{&directory.root, directory.peer, directory.what};
  for (const SelectedSource& source : select_source(tree, "", {}, exclusion, std::move(stop))) {
    for (const TreeEntry& entry : source.entries) {
      if (entry.path.empty()) continue;
      const bool is_file = S_ISREG(entry.status.st_mode);
      paths.push_back({entry.path, entry.status.st_mode,
                       is_file ? static_cast<std::uint64_t>(entry.status.st_size) : 0, true, false,
                       patterns.deciding_pattern(entry.path)});
    }
  }
  std::ranges::sort(paths, {}, &ListedPath::path);
  return paths;
}

}  // namespace kiln::ops
