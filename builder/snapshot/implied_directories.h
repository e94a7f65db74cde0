// Directories that a layer's tar has no entry for, in a stack of layers.
//
// Layers are unpacked independently of each other, so such a directory is plain in its snapshot and
// would hide whose it is below. What is made here is laid above the stack and shows it again.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace kiln::snapshot {

struct LayerTree {
  std::filesystem::path tree;        ///< snapshot directory
  std::vector<std::string> implied;  ///< sorted (layer::Applied::implied)
};

/// Fills the empty directory `target` so that above `stack` (bottom first, not empty) it gives the
/// implied directories the owner, mode, time and extended attributes that the layers below theirs
/// have there; where those have a link to a directory, that directory's. What has no directory
/// below stays as it was unpacked. Blocks; throws Error.
/// source: containerd pkg/archive/tar.go (mkparent) on an overlayfs snapshot
void restore_implied(const std::vector<LayerTree>& stack, const std::filesystem::path& target);

}  // namespace kiln::snapshot
