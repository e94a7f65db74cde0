#include "builder/snapshot/workspace.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>
#include <utility>

#include "builder/os/dir.h"
#include "builder/snapshot/untouched.h"
#include "proto/error.h"

namespace kiln::snapshot {

namespace {

namespace fs = std::filesystem;

fs::path make_directory(const fs::path& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0)
    throw system_error(errno, "make directory " + path.string());
  // The umask of whoever started the daemon must not show in an image's root directory.
  if (::chmod(path.c_str(), mode) != 0) throw system_error(errno, "set mode of " + path.string());
  return path;
}

std::vector<fs::path> or_empty(const fs::path& scratch, const std::vector<fs::path>& lowers) {
  if (!lowers.empty()) return lowers;
  return {make_directory(scratch / "empty", 0755)};
}

os::Mount mount_writable(const fs::path& scratch, const std::vector<fs::path>& lowers) {
  make_directory(scratch / "root", 0755);
  make_directory(scratch / "upper", 0755);
  make_directory(scratch / "work", 0700);
  return os::mount_overlay({or_empty(scratch, lowers), scratch / "upper", scratch / "work"},
                           scratch / "root");
}

os::Mount mount_read_only(const fs::path& scratch, const std::vector<fs::path>& lowers) {
  make_directory(scratch / "root", 0755);
  return os::mount_overlay({or_empty(scratch, lowers), {}, {}}, scratch / "root");
}

void add_bytes(int directory_fd, std::set<std::pair<dev_t, ino_t>>& links, std::uint64_t& total) {
  for (const os::DirEntry& entry : os::read_entries(directory_fd)) {
    struct stat status{};
    if (::fstatat(directory_fd, entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error(errno, "stat " + entry.name);
    }
    const bool counted = !S_ISDIR(status.st_mode) && status.st_nlink > 1 &&
                         !links.emplace(status.st_dev, status.st_ino).second;
    if (!counted) total += static_cast<std::uint64_t>(status.st_blocks) * 512;
    if (!S_ISDIR(status.st_mode)) continue;
    const os::Fd child(::openat(directory_fd, entry.name.c_str(),
                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child) throw system_error(errno, "open " + entry.name);
    add_bytes(child.get(), links, total);
  }
}

}  // namespace

Workspace::Workspace(os::TempDir scratch, const std::vector<fs::path>& lowers)
    : scratch_(std::move(scratch)),
      lowers_(lowers),
      mount_(mount_writable(scratch_.path(), lowers)) {}

void Workspace::forget(const std::vector<std::string>& mount_points) {
  mount_ = os::Mount();
  drop_untouched(upper(), lowers_, mount_points);
}

void Workspace::commit(const fs::path& snapshot) {
  mount_ = os::Mount();
  if (::rename(upper().c_str(), snapshot.c_str()) != 0) {
    throw system_error(errno, "name the snapshot " + snapshot.string());
  }
}

View::View(os::TempDir scratch, const std::vector<fs::path>& lowers)
    : scratch_(std::move(scratch)), mount_(mount_read_only(scratch_.path(), lowers)) {}

std::uint64_t disk_bytes(const fs::path& tree) {
  const os::Dir root = os::Dir::open(tree);
  struct stat status{};
  if (::fstat(root.fd(), &status) != 0) throw system_error(errno, "stat " + tree.string());
  std::uint64_t total = static_cast<std::uint64_t>(status.st_blocks) * 512;
  std::set<std::pair<dev_t, ino_t>> links;
  add_bytes(root.fd(), links, total);
  return total;
}

}  // namespace kiln::snapshot
