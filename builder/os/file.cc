#include "builder/os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "builder/os/dir.h"
#include "proto/error.h"

namespace kiln::os {

Fd open_file(const std::filesystem::path& path, int flags, unsigned mode) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) throw system_error(errno, "open " + path.string());
  return fd;
}

std::string read_all(int fd, std::string_view name, std::size_t limit_bytes) {
  std::string text;
  std::array<char, 16 * 1024> buffer;
  while (true) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, fmt::format("read {}", name));
    }
    if (count == 0) return text;
    if (text.size() + static_cast<std::size_t>(count) > limit_bytes) {
      throw Error(Errc::invalid_input, "{}: over the limit of {} bytes", name, limit_bytes);
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

std::string read_file(const std::filesystem::path& path, std::size_t limit_bytes) {
  return read_all(open_file(path, O_RDONLY).get(), path.string(), limit_bytes);
}

void write_all(int fd, Bytes bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, fmt::format("write {}", name));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  write_all(fd.get(), as_bytes(text), path.string());
}

std::size_t FileSource::read(MutableBytes buffer) {
  while (true) {
    const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) throw system_error(errno, "read " + name_);
  }
}

bool spread_subdirectories(const std::filesystem::path& directory) {
  const Fd fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  int flags = 0;
  if (::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) != 0) return false;
  flags |= FS_TOPDIR_FL;
  return ::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags) == 0;
}

TempDir::TempDir(const std::filesystem::path& parent, std::string_view prefix) {
  std::string name = (parent / fmt::format("{}.XXXXXX", prefix)).string();
  if (!::mkdtemp(name.data())) throw system_error(errno, "make a directory in " + parent.string());
  path_ = std::move(name);
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  try {
    remove_tree(path_);
  } catch (const Error&) {
    // Still mounted or a failing disk: the next start empties tmp/ and says what it cannot remove.
    return;
  }
}

namespace {

/// One descriptor is open for each level: a deeper directory is moved up first.
constexpr int kMaxOpenLevels = 64;

/// Removes one tree. Mounts are not entered: what is mounted in a tree is not part of it.
class Removal {
 public:
  void remove(int parent_fd, const DirEntry& entry, const std::filesystem::path& path, int level) {
    const char* const name = entry.name.c_str();
    if (entry.type != DT_DIR) {
      if (::unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT) return;
      if (errno != EISDIR) throw system_error(errno, "remove " + path.string());
    }
    // An empty directory need not be readable, as overlayfs' own work directory is not.
    if (::unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    if (errno != ENOTEMPTY && errno != EEXIST) throw system_error(errno, "remove " + path.string());
    if (level > kMaxOpenLevels) {
      move_up(parent_fd, entry.name, path);
      return;
    }
    const Fd directory = open_directory(parent_fd, name, path);
    if (level == 0) top_fd_ = directory.get();
    do {
      moved_ = false;
      for (const DirEntry& child : read_entries(directory.get()))
        remove(directory.get(), child, path / child.name, level + 1);
    } while (level == 0 && moved_);
    if (::unlinkat(parent_fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
      throw system_error(errno, "remove " + path.string());
    }
  }

 private:
  static Fd open_directory(int parent_fd, const char* name, const std::filesystem::path& path) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
    Fd fd(static_cast<int>(::syscall(SYS_openat2, parent_fd, name, &how, sizeof how)));
    if (!fd) throw system_error(errno == EXDEV ? EBUSY : errno, "remove " + path.string());
    return fd;
  }

  void move_up(int parent_fd, const std::string& name, const std::filesystem::path& path) {
    while (true) {
      const std::string target = fmt::format("removed.{}", next_name_++);
      if (::renameat2(parent_fd, name.c_str(), top_fd_, target.c_str(), RENAME_NOREPLACE) == 0) {
        break;
      }
      if (errno != EEXIST) throw system_error(errno, "remove " + path.string());
    }
    moved_ = true;
  }

  int top_fd_ = -1;
  unsigned next_name_ = 0;
  bool moved_ = false;
};

}  // namespace

void remove_tree_at(int directory_fd, const std::string& name) {
  Removal().remove(directory_fd, {name, DT_UNKNOWN, 0}, name, 0);
}

void remove_tree(const std::filesystem::path& path) {
  // The parent is opened so that the tree itself is seen as an entry: if something is mounted on
  // it, that shows.
  const std::filesystem::path tree =
      path.has_filename() ? path : path.parent_path();  // "a/b/" is a/b
  const std::filesystem::path parent = tree.has_parent_path() ? tree.parent_path() : ".";
  const Fd fd(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) return;
    throw system_error(errno, "remove " + path.string());
  }
  Removal().remove(fd.get(), {tree.filename(), DT_UNKNOWN, 0}, tree, 0);
}

std::optional<FileLock> FileLock::try_acquire(const std::filesystem::path& path) {
  Fd fd = open_file(path, O_RDWR | O_CREAT, 0600);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    throw system_error(errno, "lock " + path.string());
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0) throw system_error(errno, "truncate " + path.string());
  write_all(fd.get(), as_bytes(pid), path.string());
  return FileLock(std::move(fd));
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string to_rfc3339(std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t seconds = ns / kSecond;
  std::int64_t fraction = ns % kSecond;
  if (fraction < 0) {
    fraction += kSecond;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string result(text.data(), size);
  if (fraction != 0) {
    std::string digits = fmt::format(".{:09}", fraction);
    digits.erase(digits.find_last_not_of('0') + 1);
    result += digits;
  }
  return result + "Z";
}

}  // namespace kiln::os
