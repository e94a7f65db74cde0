#include "builder/layer/tree_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "builder/layer/tree_walk.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

void set_opaque(int directory_fd, const std::string& path) {
  if (::fsetxattr(directory_fd, kOpaqueXattr, "y", 1, 0) != 0)
    throw system_error(errno, "mark as opaque " + path);
}

}  // namespace

TreeWriter::TreeWriter(const os::Dir& root, os::Links links)
    : root_(root), links_(links), spool_(root, links) {}

TreeWriter::Place TreeWriter::place(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
  if (!parent_ || parent != parent_path_) {
    parent_ = open_parent(parent, path);
    parent_path_ = parent;
  }
  return {parent_.get(), slash == std::string::npos ? path : path.substr(slash + 1)};
}

os::Fd TreeWriter::open_parent(const std::string& parent, const std::string& path) {
  try {
    if (auto found = root_.try_open_at(parent, O_PATH | O_DIRECTORY, links_))
      return std::move(*found);
    make_parents(parent);
    return root_.open_at(parent, O_PATH | O_DIRECTORY, links_);
  } catch (const Error& error) {
    // Other codes are the disk's trouble and not the archive's.
    if (error.code() != Errc::denied && error.code() != Errc::not_found) throw;
    throw Error(Errc::corrupt, "archive entry {}: {} is not a directory: {}", path, parent,
                error.what());
  }
}

void TreeWriter::make_parents(const std::string& parent) {
  os::Fd above = root_.open_at("", O_PATH | O_DIRECTORY, links_);
  std::string prefix;
  for (const std::string& part : os::split_path(parent)) {
    prefix += prefix.empty() ? part : "/" + part;
    if (auto found = root_.try_open_at(prefix, O_PATH | O_DIRECTORY, links_)) {
      above = std::move(*found);
      continue;
    }
    struct stat status{};
    const bool exists = ::fstatat(above.get(), part.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists && !(links_ == os::Links::refuse && is_whiteout(status)))
      throw Error(Errc::not_found, "{}: it is a file or a link to nothing", prefix);
    above = make_directory(above.get(), part, prefix);
    if (::fchown(above.get(), 0, 0) != 0 || ::fchmod(above.get(), 0755) != 0)
      throw system_error(errno, "set owner and mode of " + prefix);
  }
}

void TreeWriter::remove_existing(const Place& place, const std::string& path) const {
  if (::unlinkat(place.parent_fd, place.name.c_str(), 0) == 0) return;
  if (errno != EISDIR && errno != EPERM) throw system_error(errno, "replace " + path);
  os::remove_tree(fmt::format("/proc/self/fd/{}/{}", place.parent_fd, place.name));
}

template <class Make>
int TreeWriter::make(const Place& place, const std::string& path, const Make& make) {
  int result = make();
  if (result < 0 && errno == EEXIST) {
    remove_existing(place, path);
    result = make();
  }
  if (result < 0) throw system_error(errno, "make " + path);
  return result;
}

os::Fd TreeWriter::make_directory(int parent_fd, const std::string& name, const std::string& path) {
  bool opaque = false;
  if (::mkdirat(parent_fd, name.c_str(), 0700) != 0) {
    if (errno != EEXIST) throw system_error(errno, "make directory " + path);
    struct stat status{};
    if (::fstatat(parent_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      throw system_error(errno, "stat " + path);
    if (!S_ISDIR(status.st_mode)) {
      opaque = links_ == os::Links::refuse && is_whiteout(status);
      if (::unlinkat(parent_fd, name.c_str(), 0) != 0 ||
          ::mkdirat(parent_fd, name.c_str(), 0700) != 0)
        throw system_error(errno, "replace by a directory: " + path);
    }
  }
  os::Fd directory(::openat(parent_fd, name.c_str(), kOpenDirectory));
  if (!directory) throw system_error(errno, "open directory " + path);
  if (opaque) set_opaque(directory.get(), path);
  return directory;
}

void TreeWriter::directory(const std::string& path, const Attributes& attributes) {
  os::Fd made;
  if (path.empty()) {
    made = root_.open_at("", O_RDONLY | O_DIRECTORY, links_);
  } else if (std::optional<os::Fd> linked = linked_directory(path)) {
    made = std::move(*linked);
  } else {
    const Place where = place(path);
    made = make_directory(where.parent_fd, where.name, path);
  }
  if (::fchown(made.get(), attributes.uid, attributes.gid) != 0 ||
      ::fchmod(made.get(), attributes.mode) != 0)
    throw system_error(errno, "set owner and mode of " + path);
  spool_.add(path, attributes);
  parent_path_ = path;
  parent_ = std::move(made);
}

std::optional<os::Fd> TreeWriter::linked_directory(const std::string& path) {
  if (links_ != os::Links::in_root) return std::nullopt;
  const Place where = place(path);
  struct stat status{};
  if (::fstatat(where.parent_fd, where.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISLNK(status.st_mode))
    return std::nullopt;
  std::optional<os::Fd> target = root_.try_open_at(path, O_PATH, links_);
  if (!target || ::fstat(target->get(), &status) != 0 || !S_ISDIR(status.st_mode))
    return std::nullopt;
  return root_.open_at(path, O_RDONLY | O_DIRECTORY, links_);
}

os::Fd TreeWriter::create_file(const std::string& path) {
  const Place where = place(path);
  return os::Fd(make(where, path, [&] {
    return ::openat(where.parent_fd, where.name.c_str(),
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  }));
}

void TreeWriter::finish_file(const os::Fd& file,
                             const std::string& path,
                             const Attributes& attributes) const {
  // In this order: a change of owner clears setuid bits and file capabilities.
  if (::fchown(file.get(), attributes.uid, attributes.gid) != 0)
    throw system_error(errno, "set owner of " + path);
  if (::fchmod(file.get(), attributes.mode) != 0) throw system_error(errno, "set mode of " + path);
  write_xattrs(file.get(), attributes.xattrs, path);
  const struct timespec times[2] = {{0, UTIME_OMIT}, {attributes.mtime, attributes.mtime_ns}};
  if (::futimens(file.get(), times) != 0) throw system_error(errno, "set times of " + path);
}

void TreeWriter::set_attributes(const Place& place,
                                const std::string& path,
                                const Attributes& attributes) const {
  if (::fchownat(place.parent_fd, place.name.c_str(), attributes.uid, attributes.gid,
                 AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error(errno, "set owner of " + path);
  write_xattrs_at(place.parent_fd, place.name, attributes.xattrs, path);
  const struct timespec times[2] = {{0, UTIME_OMIT}, {attributes.mtime, attributes.mtime_ns}};
  if (::utimensat(place.parent_fd, place.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error(errno, "set times of " + path);
}

void TreeWriter::symbolic_link(const std::string& path,
                               const std::string& target,
                               const Attributes& attributes) {
  const Place where = place(path);
  make(where, path,
       [&] { return ::symlinkat(target.c_str(), where.parent_fd, where.name.c_str()); });
  set_attributes(where, path, attributes);
}

void TreeWriter::node(const std::string& path,
                      mode_t type,
                      dev_t device,
                      const Attributes& attributes) {
  const Place where = place(path);
  make(where, path,
       [&] { return ::mknodat(where.parent_fd, where.name.c_str(), type | 0600, device); });
  set_attributes(where, path, attributes);
  if (::fchmodat(where.parent_fd, where.name.c_str(), attributes.mode, 0) != 0)
    throw system_error(errno, "set mode of " + path);
}

void TreeWriter::hard_link(const std::string& path, const std::string& target) {
  if (path == target) throw Error(Errc::corrupt, "archive entry {}: a hard link to itself", path);
  const std::size_t slash = target.rfind('/');
  const std::string parent = slash == std::string::npos ? "" : target.substr(0, slash);
  const std::string name = slash == std::string::npos ? target : target.substr(slash + 1);
  std::optional<os::Fd> from;
  try {
    from = root_.try_open_at(parent, O_PATH | O_DIRECTORY, links_);
  } catch (const Error& error) {
    throw Error(Errc::corrupt, "archive entry {}: hard link to {}: {}", path, target, error.what());
  }
  struct stat status{};
  if (!from || ::fstatat(from->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      S_ISDIR(status.st_mode)) {
    throw Error(Errc::corrupt, "archive entry {}: hard link to {}, which the archive does not hold",
                path, target);
  }
  const Place where = place(path);
  make(where, path,
       [&] { return ::linkat(from->get(), name.c_str(), where.parent_fd, where.name.c_str(), 0); });
}

void TreeWriter::whiteout(const std::string& path) {
  const Place where = place(path);
  struct stat status{};
  if (::fstatat(where.parent_fd, where.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISDIR(status.st_mode)) opaque(path);
    return;
  }
  if (errno != ENOENT) throw system_error(errno, "stat " + path);
  if (::mknodat(where.parent_fd, where.name.c_str(), S_IFCHR, 0) != 0)
    throw system_error(errno, "make a whiteout for " + path);
}

void TreeWriter::opaque(const std::string& path) {
  const os::Fd existing = open_parent(path, path);
  const os::Fd directory(::openat(existing.get(), ".", kOpenDirectory));
  if (!directory) throw system_error(errno, "open directory " + path);
  set_opaque(directory.get(), path);
}

}  // namespace kiln::layer
