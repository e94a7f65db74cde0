// Places in a root file system where something will be mounted, made when missing and taken away
// afterwards, so that nothing of them ends in a layer.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "builder/os/fd.h"

namespace kiln::sandbox {

/// Resolves every path as a process chrooted to the root would, one component at a time and never
/// following a link by itself, so that an image cannot lead it outside. Nothing else may change the
/// root file system while paths are resolved. Blocks.
class MountPoints {
 public:
  explicit MountPoints(const std::filesystem::path& rootfs);
  /// remove(), errors ignored: a left-over stub is an empty file in a snapshot that is thrown away.
  ~MountPoints();
  MountPoints(const MountPoints&) = delete;
  MountPoints& operator=(const MountPoints&) = delete;

  /// Makes an empty file or directory, and its parents, where there is nothing.
  void add(std::string_view path, bool directory);
  /// Makes a directory that stays, mode 0755, owned by root.
  void make_directory(std::string_view path);

  /// Removes what add() made and what is still empty, and gives the directories around it the times
  /// they had, or those that the step gave them. Throws Error.
  void remove();

 private:
  struct Stub {
    os::Fd parent;
    std::string parent_path;
    std::string name;
    bool directory = false;
  };
  /// A directory that add() changed.
  struct Parent {
    os::Fd fd;
    timespec before{};  ///< its mtime without our stubs
    timespec after{};   ///< and with them
  };
  struct Walk;

  void resolve(std::string_view path, bool directory, bool keep);
  /// False when the step made something of it.
  static bool remove_stub(const Stub& stub, const std::string& path);
  void make(Walk& walk, const std::string& name, bool directory, bool keep);

  os::Fd root_;
  std::vector<Stub> stubs_;
  std::map<std::string, Parent> parents_;  ///< by resolved path
};

}  // namespace kiln::sandbox
