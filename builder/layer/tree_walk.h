// Walks a directory tree in the order of a layer: depth first, names sorted bytewise in each
// directory, a directory before what it holds.
//
// Everything is opened by descriptor beneath the root and no link is followed, so a tree that a
// build step has made cannot lead out of it. Memory: the names of the directories on the way down.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "builder/layer/attributes.h"
#include "builder/layer/outside_files.h"
#include "builder/os/dir.h"
#include "builder/os/fd.h"

namespace kiln::layer {

/// One file, directory or other name met by a walk.
struct Visit {
  std::string path;  ///< relative to the root; "" is the root itself
  int parent_fd = -1;
  std::string name;  ///< in the parent
  struct stat status{};
  os::Fd fd;  ///< open for reading: regular files and directories, but not what is outside
  std::optional<std::size_t>
      outside{};  ///< a file of OutsideFiles: of `status` only the type counts
  [[nodiscard]] mode_t type() const noexcept { return status.st_mode & S_IFMT; }
  [[nodiscard]] std::vector<Xattr> xattrs() const;
};

/// Calls `visit` for the root and all below it; in each directory `deletions_first` puts character
/// devices 0/0 before the rest, without it those that only a listing shows are passed over.
/// `outside` (may be nullptr): further files, each in its place. Throws Error naming the path;
/// Error{cancelled} when `stop` is requested.
void walk_tree(const os::Dir& root,
               bool deletions_first,
               const OutsideFiles* outside,
               const std::stop_token& stop,
               const std::function<void(Visit&)>& visit);

/// A deletion as overlayfs has it: a character device 0/0.
[[nodiscard]] bool is_whiteout(const struct stat& status);

}  // namespace kiln::layer
