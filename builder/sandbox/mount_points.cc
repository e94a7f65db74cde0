#include "builder/sandbox/mount_points.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <set>

#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

constexpr int kMaxLinks = 255;  // source: cyphar/filepath-securejoin, which runc uses

struct stat stat_fd(const os::Fd& fd, const std::string& path) {
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) throw system_error(errno, "stat " + path);
  return status;
}

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/// An O_PATH descriptor is not good for futimens; its name in /proc is.
void set_mtime(const os::Fd& fd, const timespec& mtime, const std::string& path) {
  const timespec times[2] = {{0, UTIME_OMIT}, mtime};
  if (::utimensat(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd.get()).c_str(), times, 0) != 0) {
    throw system_error(errno, "restore the times of " + path);
  }
}

}  // namespace

/// The directories from the root to where the resolution is.
struct MountPoints::Walk {
  struct Step {
    os::Fd fd;
    std::string path;  ///< resolved, "" for the root
  };
  std::vector<Step> steps;

  [[nodiscard]] const Step& here() const { return steps.back(); }
  [[nodiscard]] std::string child(const std::string& name) const {
    return here().path + "/" + name;
  }
  void enter(const std::string& name) {
    os::Fd fd(
        ::openat(here().fd.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) throw system_error(errno, "open " + child(name));
    steps.push_back({std::move(fd), child(name)});
  }
};

MountPoints::MountPoints(const std::filesystem::path& rootfs)
    : root_(os::open_file(rootfs, O_PATH | O_DIRECTORY)) {}

MountPoints::~MountPoints() {
  try {
    remove();
  } catch (const Error&) {
    return;  // the step failed or was cancelled: its snapshot is not kept
  }
}

void MountPoints::add(std::string_view path, bool directory) {
  resolve(path, directory, false);
}

void MountPoints::make_directory(std::string_view path) {
  resolve(path, true, true);
}

void MountPoints::resolve(std::string_view path, bool directory, bool keep) {
  Walk walk;
  walk.steps.push_back({root_.duplicate(), ""});
  const auto parts = os::split_path(path);
  std::deque<std::string> todo(parts.begin(), parts.end());
  for (int links = 0; !todo.empty();) {
    const std::string name = std::move(todo.front());
    todo.pop_front();
    if (name == "..") {
      if (walk.steps.size() > 1) walk.steps.pop_back();
      continue;
    }
    struct stat status{};
    if (::fstatat(walk.here().fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) throw system_error(errno, "stat " + walk.child(name));
      make(walk, name, directory || !todo.empty(), keep);
      if (!todo.empty()) walk.enter(name);
    } else if (S_ISLNK(status.st_mode)) {
      if (++links > kMaxLinks) {
        throw Error(Errc::invalid_input, "{}: too many symbolic links in the image", path);
      }
      const std::string target = os::read_link(walk.here().fd.get(), name);
      if (target.starts_with('/')) walk.steps.resize(1);
      const auto more = os::split_path(target);
      todo.insert(todo.begin(), more.begin(), more.end());
    } else if (S_ISDIR(status.st_mode)) {
      walk.enter(name);
    } else if (!todo.empty() || (directory && keep)) {
      throw Error(Errc::invalid_input, "{}: {} is not a directory in the image", path,
                  walk.child(name));
    }
  }
}

void MountPoints::make(Walk& walk, const std::string& name, bool directory, bool keep) {
  const auto& here = walk.here();
  const struct stat before = stat_fd(here.fd, here.path);
  if (directory) {
    // The umask is the daemon's, so the mode is set again.
    if (::mkdirat(here.fd.get(), name.c_str(), 0755) != 0 ||
        ::fchmodat(here.fd.get(), name.c_str(), 0755, 0) != 0) {
      throw system_error(errno, "make the directory " + walk.child(name));
    }
  } else {
    const os::Fd file(::openat(here.fd.get(), name.c_str(),
                               O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644));
    if (!file) throw system_error(errno, "make the mount point " + walk.child(name));
  }
  if (keep) return;
  const auto [parent, is_new] = parents_.try_emplace(here.path);
  if (is_new) {
    parent->second.fd = here.fd.duplicate();
    parent->second.before = before.st_mtim;
  }
  parent->second.after = stat_fd(here.fd, here.path).st_mtim;
  stubs_.push_back({here.fd.duplicate(), here.path, name, directory});
}

void MountPoints::remove() {
  // Taken out first, so that the destructor does not try again what failed.
  const auto stubs = std::exchange(stubs_, {});
  auto parents = std::exchange(parents_, {});
  for (auto& [path, parent] : parents) {
    // A step that changed the directory itself gave it a time of its own.
    const timespec now = stat_fd(parent.fd, path).st_mtim;
    if (!same_time(now, parent.after)) parent.before = parent.after = now;
  }
  std::set<std::string> gone;
  for (auto stub = stubs.rbegin(); stub != stubs.rend(); ++stub) {
    const std::string path = stub->parent_path + "/" + stub->name;
    if (remove_stub(*stub, path)) {
      gone.insert(path);
    } else {
      // The step put something there: the directory around it did change.
      Parent& parent = parents.at(stub->parent_path);
      parent.before = parent.after;
    }
  }
  for (const auto& [path, parent] : parents) {
    if (!gone.contains(path)) set_mtime(parent.fd, parent.before, path);
  }
}

bool MountPoints::remove_stub(const Stub& stub, const std::string& path) {
  struct stat status{};
  if (::fstatat(stub.parent.get(), stub.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return true;
    throw system_error(errno, "stat " + path);
  }
  const bool is_stub =
      stub.directory ? S_ISDIR(status.st_mode) : S_ISREG(status.st_mode) && status.st_size == 0;
  if (!is_stub) return false;
  if (::unlinkat(stub.parent.get(), stub.name.c_str(), stub.directory ? AT_REMOVEDIR : 0) == 0)
    return true;
  if (errno == ENOTEMPTY) return false;
  throw system_error(errno, "remove the mount point " + path);
}

}  // namespace kiln::sandbox
