// Root file systems as mounts: layers stacked by overlayfs, with or without a writable top.
//
// Snapshot directories are immutable: a workspace's changes land in an upper directory of its own,
// which becomes the next snapshot by rename. Nothing is compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "builder/os/file.h"
#include "builder/os/mount.h"

namespace kiln::snapshot {

/// A writable root file system on top of layers.
class Workspace {
 public:
  /// Mounts `lowers` (snapshot directories, bottom first; may be empty) inside `scratch`, which is
  /// on the store's file system. Blocks; throws Error.
  Workspace(os::TempDir scratch, const std::vector<std::filesystem::path>& lowers);

  [[nodiscard]] const std::filesystem::path& root() const noexcept { return mount_.target(); }
  /// The directory that holds what changed.
  [[nodiscard]] std::filesystem::path upper() const { return scratch_.path() / "upper"; }

  /// Unmounts, and drops what is no change: the directories around `mount_points` (paths in the
  /// root that were made and removed again) that are as they were. Blocks.
  void forget(const std::vector<std::string>& mount_points);
  /// Unmounts: what is in upper() is all that changed. Blocks.
  void unmount() { mount_ = os::Mount(); }
  /// Unmounts and gives the changes the name `snapshot`, which must not exist.
  void commit(const std::filesystem::path& snapshot);

 private:
  os::TempDir scratch_;  // declared first: unmounted before it is removed
  std::vector<std::filesystem::path> lowers_;
  os::Mount mount_;
};

/// A read-only root file system.
class View {
 public:
  View(os::TempDir scratch, const std::vector<std::filesystem::path>& lowers);
  [[nodiscard]] const std::filesystem::path& root() const noexcept { return mount_.target(); }

 private:
  os::TempDir scratch_;
  os::Mount mount_;
};

/// Bytes that a tree takes on disk, as du counts: allocated blocks, hard links once.
[[nodiscard]] std::uint64_t disk_bytes(const std::filesystem::path& tree);

}  // namespace kiln::snapshot
