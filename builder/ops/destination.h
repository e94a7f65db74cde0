// Where a file operation writes: a mounted root file system, and the times of directories it
// touches.
//
// Names are resolved as a process inside would resolve them, so that a link in the image cannot
// lead out.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "builder/os/dir.h"

namespace kiln::ops {

struct OwnerIds {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// Of the directories that a step makes on its way.
struct MadeDirectory {
  OwnerIds owner;
  std::uint32_t mode = 0755;
};

class Destination {
 public:
  /// `made_time`: seconds, the date of directories that are made here.
  Destination(const os::Dir& root, std::int64_t made_time) : root_(root), made_time_(made_time) {}

  /// The path without links, "" for the root: they are followed inside the root, the last one too,
  /// and also when they lead to what does not exist. Throws Error{invalid_input} for a path through
  /// what is no directory, or through too many links.
  /// source: containerd/continuity fs.RootPath
  [[nodiscard]] std::string resolve(std::string_view path) const;

  /// Opens the directory `path`, making what is missing of it. Throws Error{invalid_input} when it
  /// is not a directory.
  [[nodiscard]] os::Fd make_directory(std::string_view path, const MadeDirectory& made);

  /// The open directory and the name in it that a file called `name` gets at `path`: in the
  /// directory when one is there or `path` ends with '/', else in its place.
  struct Place {
    os::Fd parent;
    std::string name;
  };
  [[nodiscard]] Place place_of_file(const std::string& path,
                                    const std::string& name,
                                    const MadeDirectory& made);

  /// Removes what is in the way of a file; throws Error{invalid_input} for a directory.
  void clear_place(int parent_fd, const std::string& name) const;

  /// What is at `path`, the last link followed too; nullopt when nothing is.
  [[nodiscard]] std::optional<struct stat> stat_at(std::string_view path) const;

  /// The path of an open directory inside the root, without links; "" is the root.
  [[nodiscard]] std::string path_of(int directory_fd) const;

  /// Notes that entries of this directory are about to change: it gets its time back at the end.
  void keep_times(int directory_fd);
  /// Says which times the directory shall have instead.
  void set_times(int directory_fd, const timespec& time);

  /// Gives all noted directories their times. Call once, after the last change.
  void restore_times();

  [[nodiscard]] const os::Dir& root() const noexcept { return root_; }
  [[nodiscard]] timespec made_time() const noexcept { return {made_time_, 0}; }

 private:
  [[nodiscard]] os::Fd make_new(int parent_fd, const std::string& name, const MadeDirectory& made);
  [[nodiscard]] os::Fd open_directory(const std::string& resolved) const;
  void note(int directory_fd, const timespec& time, bool overwrite);

  const os::Dir& root_;
  std::int64_t made_time_;
  std::map<std::string, timespec> times_;  ///< by path inside the root, without links
};

}  // namespace kiln::ops
