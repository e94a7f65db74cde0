// A directory as the root beneath which names that are not trusted are resolved.
//
// Whatever the name contains ("..", absolute paths, symbolic links, /proc magic links), the kernel
// keeps the resolution beneath the root (openat2); there is no check-then-use.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/os/fd.h"

namespace kiln::os {

/// What a link in the middle of a path means.
enum class Links {
  beneath,  ///< followed, but an error as soon as one leads out of the root (RESOLVE_BENEATH)
  in_root,  ///< followed as a process chrooted to the root would (RESOLVE_IN_ROOT)
  refuse,   ///< an error (RESOLVE_NO_SYMLINKS with RESOLVE_BENEATH)
};

struct DirEntry {
  std::string name;
  unsigned char type = 0;  ///< DT_*, DT_UNKNOWN where the file system does not say
  std::uint64_t inode = 0;
};

class Dir {
 public:
  /// Opens a trusted path. Throws Error.
  [[nodiscard]] static Dir open(const std::filesystem::path& path);
  /// Takes a directory descriptor; throws Error{invalid_input} when it is something else.
  explicit Dir(Fd fd);

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  /// openat2; `name` may be "" or "." for the root itself. O_CLOEXEC is added. Throws Error (ELOOP
  /// and EXDEV, a path that leaves the root, are Errc::denied).
  [[nodiscard]] Fd open_at(std::string_view name, int flags, Links links, mode_t mode = 0) const;
  /// The same; nullopt when it does not exist (ENOENT, ENOTDIR).
  [[nodiscard]] std::optional<Fd> try_open_at(std::string_view name,
                                              int flags,
                                              Links links,
                                              mode_t mode = 0) const;
  [[nodiscard]] Dir open_dir(std::string_view name, Links links) const;

  /// All entries but "." and "..", sorted by name bytewise. Needs a root not opened with O_PATH.
  [[nodiscard]] std::vector<DirEntry> entries() const;

 private:
  Fd fd_;
};

/// The entries of an open directory descriptor, as Dir::entries.
[[nodiscard]] std::vector<DirEntry> read_entries(int directory_fd);

/// The target of the symbolic link `name` in the open directory.
[[nodiscard]] std::string read_link(int directory_fd, const std::string& name);

/// Splits "a//b/./c" into {"a", "b", "c"}; ".." stays.
[[nodiscard]] std::vector<std::string> split_path(std::string_view path);

}  // namespace kiln::os
