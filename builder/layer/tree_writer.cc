#include "builder/layer/tree_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "builder/layer/tree_walk.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

constexpr int kMaxLinks = 40;  // as the kernel has it: path_resolution(7)
/// All paths of implied directories: what no layer has that is not made to fill the memory.
constexpr std::size_t kMaxImpliedBytes = 64UL * 1024 * 1024;

ino_t inode_of(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) throw system_error(errno, "stat a directory");
  return status.st_ino;
}

void set_opaque(int directory_fd, const std::string& path) {
  if (::fsetxattr(directory_fd, kOpaqueXattr, "y", 1, 0) != 0)
    throw system_error(errno, "mark as opaque " + path);
}

}  // namespace

TreeWriter::TreeWriter(const os::Dir& root, Purpose purpose)
    : root_(root), purpose_(purpose), spool_(root) {}

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
    if (auto found = root_.try_open_at(parent, O_PATH | O_DIRECTORY, os::Links::in_root))
      return std::move(*found);
    make_parents(parent);
    return root_.open_at(parent, O_PATH | O_DIRECTORY, os::Links::in_root);
  } catch (const Error& error) {
    // Other codes are the disk's trouble and not the archive's.
    if (error.code() != Errc::denied && error.code() != Errc::not_found) throw;
    throw Error(Errc::corrupt, "archive entry {}: {} is not a directory: {}", path, parent,
                error.what());
  }
}

void TreeWriter::make_parents(const std::string& parent) {
  os::Fd above = root_.open_at("", O_PATH | O_DIRECTORY, os::Links::refuse);
  std::vector<std::string> rest = os::split_path(parent);  // what is to come, last part first
  std::ranges::reverse(rest);
  std::string done;  // the path of `above`, without links
  int count_links = 0;
  while (!rest.empty()) {
    const std::string part = std::move(rest.back());
    rest.pop_back();
    if (part == "..") {
      done.resize(done.find('/') == std::string::npos ? 0 : done.rfind('/'));
      above = root_.open_at(done, O_PATH | O_DIRECTORY, os::Links::refuse);
      continue;
    }
    const std::string path = done.empty() ? part : done + "/" + part;
    struct stat status{};
    const bool exists = ::fstatat(above.get(), part.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists && S_ISLNK(status.st_mode) && follows(path)) {
      if (++count_links > kMaxLinks) throw Error(Errc::not_found, "{}: too many links", path);
      const std::string target = os::read_link(above.get(), part);
      std::vector<std::string> parts = os::split_path(target);
      rest.insert(rest.end(), parts.rbegin(), parts.rend());
      if (!target.starts_with('/')) continue;
      done.clear();
      above = root_.open_at("", O_PATH | O_DIRECTORY, os::Links::refuse);
      continue;
    }
    if (exists && S_ISDIR(status.st_mode)) {
      above = root_.open_at(path, O_PATH | O_DIRECTORY, os::Links::refuse);
    } else if (exists && !(purpose_ == Purpose::layer && is_whiteout(status))) {
      throw Error(Errc::not_found, "{}: it is a file or a link to nothing", path);
    } else {
      above = make_implied(above.get(), part, path);
      if (!exists) note_implied(above.get(), path);
    }
    done = path;
  }
}

bool TreeWriter::follows(const std::string& link) const {
  if (purpose_ == Purpose::layer) return true;
  return root_.try_open_at(link, O_PATH | O_DIRECTORY, os::Links::in_root).has_value();
}

os::Fd TreeWriter::make_implied(int parent_fd, const std::string& name, const std::string& path) {
  os::Fd made = make_directory(parent_fd, name, path);
  if (::fchown(made.get(), 0, 0) != 0 || ::fchmod(made.get(), 0755) != 0)
    throw system_error(errno, "set owner and mode of " + path);
  return made;
}

void TreeWriter::note_implied(int directory_fd, const std::string& path) {
  if (purpose_ != Purpose::layer) return;
  implied_bytes_ += path.size();
  if (implied_bytes_ > kMaxImpliedBytes)
    throw Error(Errc::corrupt, "archive entry beneath {}: too many directories have no entry",
                path);
  implied_.insert_or_assign(inode_of(directory_fd), path);
}

void TreeWriter::forget_implied(int directory_fd) {
  if (!implied_.empty()) implied_.erase(inode_of(directory_fd));
}

std::vector<std::string> TreeWriter::implied() const {
  std::vector<std::string> paths;
  for (const auto& [inode, path] : implied_) {
    try {
      // A later entry may have replaced it, or a directory around it.
      const auto found = root_.try_open_at(path, O_PATH | O_DIRECTORY, os::Links::refuse);
      if (found && inode_of(found->get()) == inode) paths.push_back(path);
    } catch (const Error& error) {
      if (error.code() != Errc::denied) throw;
    }
  }
  std::ranges::sort(paths);
  return paths;
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
      opaque = purpose_ == Purpose::layer && is_whiteout(status);
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
    made = root_.open_at("", O_RDONLY | O_DIRECTORY, os::Links::in_root);
  } else if (std::optional<os::Fd> linked = linked_directory(path)) {
    made = std::move(*linked);
  } else {
    const Place where = place(path);
    made = make_directory(where.parent_fd, where.name, path);
  }
  if (::fchown(made.get(), attributes.uid, attributes.gid) != 0 ||
      ::fchmod(made.get(), attributes.mode) != 0)
    throw system_error(errno, "set owner and mode of " + path);
  forget_implied(made.get());
  spool_.add(path, attributes);
  parent_path_ = path;
  parent_ = std::move(made);
}

std::optional<os::Fd> TreeWriter::linked_directory(const std::string& path) {
  if (purpose_ != Purpose::root) return std::nullopt;
  const Place where = place(path);
  struct stat status{};
  if (::fstatat(where.parent_fd, where.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISLNK(status.st_mode))
    return std::nullopt;
  std::optional<os::Fd> target = root_.try_open_at(path, O_PATH, os::Links::in_root);
  if (!target || ::fstat(target->get(), &status) != 0 || !S_ISDIR(status.st_mode))
    return std::nullopt;
  return root_.open_at(path, O_RDONLY | O_DIRECTORY, os::Links::in_root);
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
    from = root_.try_open_at(parent, O_PATH | O_DIRECTORY, os::Links::in_root);
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
    if (!S_ISDIR(status.st_mode)) return;
    opaque(path);
    implied_.erase(status.st_ino);  // it has nothing to do with what was deleted
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
