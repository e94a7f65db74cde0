#include "builder/image/local_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "builder/image/local_data.h"
#include "proto/error.h"

namespace kiln::image {

namespace {

// Directories deeper than this give their descriptor back while what is below is written.
constexpr std::size_t kOpenLevels = 64;
constexpr int kOpenDirectory = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

/// Changes the very file that is open, by whatever means: O_PATH descriptors too.
int change_mode(int fd, mode_t mode) {
  return ::chmod(fmt::format("/proc/self/fd/{}", fd).c_str(), mode);
}

}  // namespace

void LocalWriter::fail(int errno_value, std::string_view verb, const std::string& path) const {
  Error error = system_error(errno_value, fmt::format("output directory: {} {}", verb, path));
  if (errno_value != EACCES && errno_value != EPERM && errno_value != EROFS) throw error;
  throw Error(Errc::denied, "{}; user {} must be allowed to write there", error.what(), peer_.uid);
}

void LocalWriter::take(layer::Visit& visit) {
  // The tree is read with our own rights: its files may be secret to the client's user.
  std::vector<layer::Xattr> xattrs = kept(visit.xattrs());
  std::string link_target;
  if (visit.type() == S_IFLNK) link_target = os::read_link(visit.parent_fd, visit.name);
  const os::ActAs rights(peer_);
  make(visit, std::move(xattrs), link_target);
}

void LocalWriter::make(layer::Visit& visit,
                       std::vector<layer::Xattr> xattrs,
                       const std::string& link_target) {
  if (visit.path.empty()) {
    levels_.push_back(
        {"", target_.open_at("", O_PATH | O_DIRECTORY, os::Links::refuse), false, {}, {}});
    return;
  }
  leave_until(directory_of(visit.path));
  switch (visit.type()) {
    case S_IFDIR:
      make_directory(visit, std::move(xattrs));
      return;
    case S_IFREG:
      if (!make_hard_link(visit)) make_file(visit, xattrs);
      return;
    case S_IFCHR:
    case S_IFBLK:
      if (peer_.uid != 0) return;
      [[fallthrough]];
    case S_IFLNK:
    case S_IFIFO:
      if (!make_hard_link(visit)) make_other(visit, xattrs, link_target);
      return;
    default:
      return;  // a socket: nothing could answer on it
  }
}

void LocalWriter::finish() {
  const os::ActAs rights(peer_);
  while (!levels_.empty())
    leave();
}

void LocalWriter::make_directory(const layer::Visit& visit, std::vector<layer::Xattr> xattrs) {
  const int parent = parent_fd();
  const char* name = visit.name.c_str();
  bool made = ::mkdirat(parent, name, 0700) == 0;
  struct stat existing{};
  if (!made && errno == EEXIST && ::fstatat(parent, name, &existing, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISDIR(existing.st_mode)) {
      remove_existing(visit);
      made = ::mkdirat(parent, name, 0700) == 0;
      if (!made) fail(errno, "make directory", visit.path);
    }
  } else if (!made) {
    fail(errno, "make directory", visit.path);
  }
  os::Fd place(::openat(parent, name, O_PATH | kOpenDirectory));
  if (!place) fail(errno, "open directory", visit.path);
  if (::fstat(place.get(), &existing) != 0) fail(errno, "stat", visit.path);
  const bool ours = made || peer_.uid == 0 || existing.st_uid == peer_.uid;
  // A read-only one, perhaps of an earlier output: its owner may open it up.
  if (ours && (existing.st_mode & S_IRWXU) != S_IRWXU &&
      change_mode(place.get(), (existing.st_mode & 07777) | S_IRWXU) != 0) {
    fail(errno, "make writable", visit.path);
  }
  enter({visit.path, std::move(place), ours, visit.status, std::move(xattrs)});
}

void LocalWriter::make_file(layer::Visit& visit, const std::vector<layer::Xattr>& xattrs) {
  const int parent = parent_fd();
  const os::Fd file(make_new(visit, [&] {
    return ::openat(parent, visit.name.c_str(),
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  }));
  copy_file_data(visit.fd.get(), file.get(), visit.path, stop_);
  set_attributes(file.get(), visit.status, xattrs, visit.path);
}

void LocalWriter::make_other(const layer::Visit& visit,
                             const std::vector<layer::Xattr>& xattrs,
                             const std::string& link_target) {
  const int parent = parent_fd();
  const char* name = visit.name.c_str();
  const bool is_link = visit.type() == S_IFLNK;
  make_new(visit, [&] {
    return is_link ? ::symlinkat(link_target.c_str(), parent, name)
                   : ::mknodat(parent, name, visit.type() | 0600, visit.status.st_rdev);
  });
  if (peer_.uid == 0) {
    if (::fchownat(parent, name, visit.status.st_uid, visit.status.st_gid, AT_SYMLINK_NOFOLLOW) !=
        0) {
      fail(errno, "set the owner of", visit.path);
    }
    layer::write_xattrs_at(parent, visit.name, xattrs, visit.path);
  }
  if (!is_link) {
    const os::Fd node(::openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!node || change_mode(node.get(), mode(visit.status)) != 0)
      fail(errno, "set the mode of", visit.path);
  }
  const struct timespec times[2] = {{0, UTIME_OMIT}, visit.status.st_mtim};
  if (::utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) != 0)
    fail(errno, "set the time of", visit.path);
}

bool LocalWriter::make_hard_link(const layer::Visit& visit) {
  if (visit.status.st_nlink < 2) return false;
  const auto [first, is_new] =
      linked_.try_emplace({visit.status.st_dev, visit.status.st_ino}, visit.path);
  if (is_new) return false;
  const os::Fd from =
      target_.open_at(directory_of(first->second), O_PATH | O_DIRECTORY, os::Links::refuse);
  const std::size_t slash = first->second.rfind('/');
  const std::string name =
      slash == std::string::npos ? first->second : first->second.substr(slash + 1);
  const int parent = parent_fd();
  int error = 0;
  make_new(visit, [&] {
    const int result = ::linkat(from.get(), name.c_str(), parent, visit.name.c_str(), 0);
    error = result == 0 ? 0 : errno;
    // Into another file system, or more names than this one has: then it becomes a file of its own.
    return error == EXDEV || error == EMLINK ? 0 : result;
  });
  if (error != 0) first->second = visit.path;
  return error == 0;
}

template <class Make>
int LocalWriter::make_new(const layer::Visit& visit, const Make& make) {
  int result = make();
  if (result < 0 && errno == EEXIST) {
    remove_existing(visit);
    result = make();
  }
  if (result < 0) fail(errno, "make", visit.path);
  return result;
}

void LocalWriter::remove_existing(const layer::Visit& visit) {
  const int parent = parent_fd();
  if (::unlinkat(parent, visit.name.c_str(), 0) == 0) return;
  if (errno == EISDIR) {
    if (::unlinkat(parent, visit.name.c_str(), AT_REMOVEDIR) == 0) return;
    if (errno == ENOTEMPTY) {
      throw Error(Errc::invalid_input,
                  "output directory: {} is a directory with content where the image has a file; "
                  "remove it first",
                  visit.path);
    }
  }
  fail(errno, "replace", visit.path);
}

void LocalWriter::set_attributes(int fd,
                                 const struct stat& status,
                                 const std::vector<layer::Xattr>& xattrs,
                                 const std::string& path) const {
  // In this order: a change of owner clears set-id bits and file capabilities, and user.* may be
  // set only while the mode lets the owner write.
  if (peer_.uid == 0 && ::fchown(fd, status.st_uid, status.st_gid) != 0)
    fail(errno, "set the owner of", path);
  layer::write_xattrs(fd, xattrs, path);
  if (::fchmod(fd, mode(status)) != 0) fail(errno, "set the mode of", path);
  const struct timespec times[2] = {{0, UTIME_OMIT}, status.st_mtim};
  if (::futimens(fd, times) != 0) fail(errno, "set the time of", path);
}

std::vector<layer::Xattr> LocalWriter::kept(std::vector<layer::Xattr> xattrs) const {
  // The client's rights do not stop us here: CAP_SETFCAP and CAP_SYS_ADMIN outlive a change of
  // fsuid (setfsuid(2)).
  if (peer_.uid != 0) {
    std::erase_if(xattrs,
                  [](const layer::Xattr& xattr) { return !xattr.name.starts_with("user."); });
  }
  return xattrs;
}

mode_t LocalWriter::mode(const struct stat& status) const {
  const mode_t mask = peer_.uid == 0 ? 07777 : 01777;
  return status.st_mode & mask;
}

void LocalWriter::enter(Level level) {
  if (levels_.size() >= kOpenLevels) levels_.back().fd = os::Fd();
  levels_.push_back(std::move(level));
}

void LocalWriter::leave_until(std::string_view directory) {
  while (!levels_.empty() && levels_.back().path != directory)
    leave();
  check(!levels_.empty(), "a walk visits a directory before what is in it");
}

void LocalWriter::leave() {
  if (levels_.back().ours_to_set) {
    const int place = parent_fd();
    const Level& level = levels_.back();
    const os::Fd directory(::openat(place, ".", O_RDONLY | kOpenDirectory));
    if (!directory) fail(errno, "open directory", level.path);
    set_attributes(directory.get(), level.status, level.xattrs, level.path);
  }
  levels_.pop_back();
}

int LocalWriter::parent_fd() {
  Level& level = levels_.back();
  if (!level.fd) level.fd = target_.open_at(level.path, O_PATH | O_DIRECTORY, os::Links::refuse);
  return level.fd.get();
}

}  // namespace kiln::image
