#include "builder/store/disk_size.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "builder/os/dir.h"
#include "proto/error.h"

namespace kiln::store {

namespace {

constexpr std::uint64_t kBlockBytes = 512;  // the unit of st_blocks, whatever the file system's

class Count {
 public:
  void add(int parent_fd, const std::string& name) {
    struct stat status{};
    if (::fstatat(parent_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return;
      throw system_error(errno, "stat " + name);
    }
    if (device_ == 0) device_ = status.st_dev;
    if (status.st_dev != device_) return;
    if (status.st_nlink > 1 && !S_ISDIR(status.st_mode) && !seen_.insert(status.st_ino).second) {
      return;
    }
    bytes_ += static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
    if (S_ISDIR(status.st_mode)) add_entries(parent_fd, name);
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  void add_entries(int parent_fd, const std::string& name) {
    const os::Fd fd(
        ::openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) {
      if (errno == ENOENT) return;
      throw system_error(errno, "open " + name);
    }
    for (const os::DirEntry& entry : os::read_entries(fd.get()))
      add(fd.get(), entry.name);
  }

  dev_t device_ = 0;
  std::set<ino_t> seen_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::uint64_t disk_bytes(const std::filesystem::path& path) {
  Count count;
  count.add(AT_FDCWD, path.string());
  return count.bytes();
}

std::uint64_t own_disk_bytes(const std::filesystem::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
}

}  // namespace kiln::store
