// All paths of a context, and what its ignore patterns make of each.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "builder/ops/context.h"

namespace kiln::ops {

struct ListedPath {
  std::string path;
  mode_t mode = 0;               ///< 0 when it is left out and was not looked at
  std::uint64_t size_bytes = 0;  ///< of a regular file that is kept
  bool kept = false;
  bool whole = false;  ///< a directory that is left out with all below it, which is not listed
  int pattern = -1;    ///< index of the one that decides, -1: none
};

/// What a build sees of a directory, selected as a COPY of all of it is, and what it does not see,
/// sorted by path. Blocks.
[[nodiscard]] std::vector<ListedPath> list_paths(const ClientDirectory& directory,
                                                 const std::vector<std::string>& ignore,
                                                 std::stop_token stop);

}  // namespace kiln::ops
