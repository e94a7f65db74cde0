#include "builder/ops/tree_times.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <string>

#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::ops {

namespace {

using Times = std::array<timespec, 2>;

/// A directory's own time comes last: reading it is no change, but it keeps the order plain.
void set_below(int directory, const Times& times) {
  for (const os::DirEntry& entry : os::read_entries(directory)) {
    if (entry.type == DT_DIR) {
      const os::Fd child(
          ::openat(directory, entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child) throw system_error(errno, "open directory " + entry.name);
      set_below(child.get(), times);
    }
    if (::utimensat(directory, entry.name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
      throw system_error(errno, "set times of " + entry.name);
  }
}

}  // namespace

void set_tree_times(const std::filesystem::path& top, std::int64_t seconds) {
  const Times times{timespec{seconds, 0}, timespec{seconds, 0}};
  const os::Fd directory = os::open_file(top, O_RDONLY | O_DIRECTORY);
  set_below(directory.get(), times);
  if (::futimens(directory.get(), times.data()) != 0)
    throw system_error(errno, "set times of " + top.string());
}

}  // namespace kiln::ops
