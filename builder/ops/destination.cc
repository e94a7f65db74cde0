#include "builder/ops/destination.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

#include "proto/error.h"

namespace kiln::ops {

namespace {

constexpr int kMaxLinks = 255;  // as continuity has it

[[noreturn]] void not_a_directory(const std::string& path) {
  throw Error(Errc::invalid_input, "/{}: not a directory in the image", path);
}

void set_owner(int fd, OwnerIds owner, std::string_view path) {
  if (::fchown(fd, owner.uid, owner.gid) != 0)
    throw system_error(errno, fmt::format("chown {}", path));
}

}  // namespace

std::string Destination::resolve(std::string_view path) const {
  std::deque<std::string> rest;
  for (std::string& part : os::split_path(path))
    rest.push_back(std::move(part));
  std::vector<std::string> resolved;
  int links = 0;
  while (!rest.empty()) {
    const std::string part = std::move(rest.front());
    rest.pop_front();
    if (part == "..") {
      if (!resolved.empty()) resolved.pop_back();
      continue;
    }
    resolved.push_back(part);
    const std::string so_far = fmt::format("{}", fmt::join(resolved, "/"));
    const std::optional<os::Fd> found =
        root_.try_open_at(so_far, O_PATH | O_NOFOLLOW, os::Links::beneath);
    if (!found) continue;
    struct stat status{};
    if (::fstat(found->get(), &status) != 0) throw system_error(errno, "stat /" + so_far);
    if (!S_ISLNK(status.st_mode)) {
      if (!rest.empty() && !S_ISDIR(status.st_mode)) not_a_directory(so_far);
      continue;
    }
    if (++links > kMaxLinks) {
      throw Error(Errc::invalid_input, "{}: too many levels of symbolic links in the image", path);
    }
    resolved.pop_back();
    const std::string target = os::read_link(found->get(), "");
    if (target.starts_with('/')) resolved.clear();
    std::vector<std::string> parts = os::split_path(target);
    rest.insert(rest.begin(), parts.begin(), parts.end());
  }
  return fmt::format("{}", fmt::join(resolved, "/"));
}

os::Fd Destination::open_directory(const std::string& resolved) const {
  return root_.open_at(resolved, O_RDONLY | O_DIRECTORY, os::Links::refuse);
}

os::Fd Destination::make_directory(std::string_view path, const MadeDirectory& made) {
  const std::string resolved = resolve(path);
  std::string so_far;
  os::Fd current = open_directory("");
  for (const std::string& part : os::split_path(resolved)) {
    so_far += so_far.empty() ? part : "/" + part;
    struct stat status{};
    if (::fstatat(current.get(), part.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      if (!S_ISDIR(status.st_mode)) not_a_directory(so_far);
      current = open_directory(so_far);
      continue;
    }
    if (errno != ENOENT) throw system_error(errno, "stat /" + so_far);
    current = make_new(current.get(), part, made);
  }
  return current;
}

Destination::Place Destination::place_of_file(const std::string& path,
                                              const std::string& name,
                                              const MadeDirectory& made) {
  if (path.ends_with('/')) return {make_directory(path, made), name};
  const std::string resolved = resolve(path);
  const std::optional<struct stat> existing = stat_at(resolved);
  if (existing && S_ISDIR(existing->st_mode)) return {make_directory(resolved, made), name};
  const std::size_t slash = resolved.rfind('/');
  const bool top = slash == std::string::npos;
  return {make_directory(top ? "" : resolved.substr(0, slash), made),
          top ? resolved : resolved.substr(slash + 1)};
}

void Destination::clear_place(int parent_fd, const std::string& name) const {
  if (::unlinkat(parent_fd, name.c_str(), 0) == 0 || errno == ENOENT) return;
  const int reason = errno;
  const std::string directory = path_of(parent_fd);
  const std::string path = fmt::format("{}{}/{}", directory.empty() ? "" : "/", directory, name);
  if (reason == EISDIR || reason == EPERM) {
    throw Error(Errc::invalid_input, "cannot replace the directory {} of the image with a file",
                path);
  }
  throw system_error(reason, "replace " + path);
}

os::Fd Destination::make_new(int parent_fd,
                             const std::string& name,
                             const MadeDirectory& directory) {
  keep_times(parent_fd);
  if (::mkdirat(parent_fd, name.c_str(), 0700) != 0)
    throw system_error(errno, "make directory " + name);
  os::Fd made(::openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made) throw system_error(errno, "open " + name);
  set_owner(made.get(), directory.owner, name);
  if (::fchmod(made.get(), directory.mode) != 0) throw system_error(errno, "chmod " + name);
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
    struct stat now{};
    if (::fstat(fd->get(), &now) != 0) throw system_error(errno, "stat /" + path);
    // Setting what is there already would copy a directory of the layers below up.
    if (now.st_mtim.tv_sec == time.tv_sec && now.st_mtim.tv_nsec == time.tv_nsec) continue;
    const std::array<timespec, 2> times{time, time};
    if (::futimens(fd->get(), times.data()) != 0)
      throw system_error(errno, "set times of /" + path);
  }
  times_.clear();
}

}  // namespace kiln::ops
