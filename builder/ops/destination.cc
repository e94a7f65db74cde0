#include "builder/ops/destination.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <vector>

#include "proto/error.h"

namespace kiln::ops {

namespace {

void set_owner(int fd, OwnerIds owner, std::string_view path) {
  if (::fchown(fd, owner.uid, owner.gid) != 0)
    throw system_error(errno, fmt::format("chown {}", path));
}

}  // namespace

os::Fd Destination::make_directory(std::string_view path, OwnerIds owner) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  std::string so_far;
  os::Fd current = root_.open_at("", kFlags, os::Links::in_root);
  for (const std::string& part : os::split_path(path)) {
    so_far += "/" + part;
    // From the root each time: a link on the way may be absolute.
    if (std::optional<os::Fd> next = root_.try_open_at(so_far, O_PATH, os::Links::in_root)) {
      struct stat status{};
      if (::fstat(next->get(), &status) != 0) throw system_error(errno, "stat " + so_far);
      if (!S_ISDIR(status.st_mode)) {
        throw Error(Errc::invalid_input, "{}: not a directory in the image", so_far);
      }
      current = root_.open_at(so_far, kFlags, os::Links::in_root);
      continue;
    }
    current = make_new(current.get(), part, owner);
  }
  return current;
}

os::Fd Destination::make_directory_over(std::string_view path, OwnerIds owner) {
  os::Fd current = root_.open_at("", O_RDONLY | O_DIRECTORY, os::Links::in_root);
  for (const std::string& part : os::split_path(path)) {
    os::Fd next(
        ::openat(current.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) {
      const int reason = errno;
      if (reason != ENOENT && reason != ENOTDIR && reason != ELOOP) {
        throw system_error(reason, "open " + part);
      }
      keep_times(current.get());
      if (reason != ENOENT && ::unlinkat(current.get(), part.c_str(), 0) != 0) {
        throw system_error(errno, "replace " + part);
      }
      next = make_new(current.get(), part, owner);
    }
    current = std::move(next);
  }
  return current;
}

os::Fd Destination::make_new(int parent_fd, const std::string& name, OwnerIds owner) {
  keep_times(parent_fd);
  if (::mkdirat(parent_fd, name.c_str(), 0755) != 0) {
    if (errno == EEXIST) {
      throw Error(Errc::invalid_input, "{}: a link that leads nowhere in the image", name);
    }
    throw system_error(errno, "make directory " + name);
  }
  os::Fd made(::openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made) throw system_error(errno, "open " + name);
  if (::fchmod(made.get(), 0755) != 0) throw system_error(errno, "chmod " + name);
  set_owner(made.get(), owner, name);
  set_times(made.get(), made_time());
  return made;
}

std::optional<struct stat> Destination::stat_at(std::string_view path) const {
  const std::optional<os::Fd> fd = root_.try_open_at(path, O_PATH, os::Links::in_root);
  if (!fd) return std::nullopt;
  struct stat status{};
  if (::fstat(fd->get(), &status) != 0) throw system_error(errno, fmt::format("stat {}", path));
  return status;
}

std::string Destination::path_of(int directory_fd) const {
  const auto kernel_path = [](int fd) {
    return os::read_link(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd));
  };
  const std::string root = kernel_path(root_.fd());
  const std::string path = kernel_path(directory_fd);
  check(path.starts_with(root), "a directory lies beneath its root");
  return path.size() > root.size() ? path.substr(root.size() + 1) : std::string();
}

void Destination::note(int directory_fd, const timespec& time, bool overwrite) {
  std::string path = path_of(directory_fd);
  if (overwrite) {
    times_[std::move(path)] = time;
  } else {
    times_.try_emplace(std::move(path), time);
  }
}

void Destination::keep_times(int directory_fd) {
  struct stat status{};
  if (::fstat(directory_fd, &status) != 0) throw system_error(errno, "stat a directory");
  note(directory_fd, status.st_mtim, false);
}

void Destination::set_times(int directory_fd, const timespec& time) {
  note(directory_fd, time, true);
}

void Destination::restore_times() {
  for (const auto& [path, time] : times_) {
    const std::optional<os::Fd> fd =
        root_.try_open_at(path, O_RDONLY | O_DIRECTORY, os::Links::refuse);
    if (!fd) continue;  // removed by a later action
    const std::array<timespec, 2> times{time, time};
    if (::futimens(fd->get(), times.data()) != 0)
      throw system_error(errno, "set times of /" + path);
  }
  times_.clear();
}

}  // namespace kiln::ops
