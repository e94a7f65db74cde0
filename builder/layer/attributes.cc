#include "builder/layer/attributes.h"

#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "proto/error.h"

namespace kiln::layer {

namespace {

// There is no lgetxattrat(2) in this kernel's headers; the descriptor's /proc link is the way in.
std::string proc_path(int directory_fd, const std::string& name) {
  return fmt::format("/proc/self/fd/{}/{}", directory_fd, name);
}

// Calls `get(buffer, size)` with room for what it gives, however it grows meanwhile.
template <class Get>
std::string grow(const Get& get, std::string_view path) {
  std::array<char, 1024> small;
  ssize_t size = get(small.data(), small.size());
  if (size >= 0) return {small.data(), static_cast<std::size_t>(size)};
  std::string large;
  while (size < 0 && errno == ERANGE) {
    size = get(nullptr, 0);
    if (size < 0) break;
    large.resize(static_cast<std::size_t>(size) + 256);
    size = get(large.data(), large.size());
  }
  if (size < 0) {
    if (errno == ENOTSUP) return {};
    throw system_error(errno, fmt::format("read extended attributes of {}", path));
  }
  large.resize(static_cast<std::size_t>(size));
  return large;
}

template <class List, class Get>
std::vector<Xattr> read_all(const List& list, const Get& get, std::string_view path) {
  const std::string names = grow(list, path);
  std::vector<Xattr> result;
  for (std::size_t begin = 0; begin < names.size();) {
    const std::size_t end = std::min(names.find('\0', begin), names.size());
    std::string name = names.substr(begin, end - begin);
    begin = end + 1;
    std::string value =
        grow([&](char* buffer, std::size_t size) { return get(name.c_str(), buffer, size); }, path);
    result.push_back({std::move(name), std::move(value)});
  }
  std::ranges::sort(result, {}, &Xattr::name);
  return result;
}

template <class Set>
void write_all(const Set& set, const std::vector<Xattr>& xattrs, std::string_view path) {
  for (const Xattr& xattr : xattrs) {
    if (!travels(xattr.name) || set(xattr) == 0 || errno == ENOTSUP) continue;
    // xattr(7): user.* is for files and directories only; tars of other systems have it on links.
    if (errno == EPERM && xattr.name.starts_with("user.")) continue;
    throw system_error(errno, fmt::format("set {} of {}", xattr.name, path));
  }
}

}  // namespace

bool travels(std::string_view xattr) {
  if (xattr.starts_with("trusted.overlay.") || xattr.starts_with("user.overlay.")) return false;
  return xattr.starts_with("user.") || xattr.starts_with("trusted.") ||
         xattr == "security.capability" || xattr == "system.posix_acl_access" ||
         xattr == "system.posix_acl_default";
}

std::vector<Xattr> read_xattrs(int fd, std::string_view path) {
  return read_all([fd](char* buffer, std::size_t size) { return ::flistxattr(fd, buffer, size); },
                  [fd](const char* name, char* buffer, std::size_t size) {
                    return ::fgetxattr(fd, name, buffer, size);
                  },
                  path);
}

std::vector<Xattr> read_xattrs_at(int directory_fd,
                                  const std::string& name,
                                  std::string_view path) {
  const std::string file = proc_path(directory_fd, name);
  return read_all(
      [&](char* buffer, std::size_t size) { return ::llistxattr(file.c_str(), buffer, size); },
      [&](const char* key, char* buffer, std::size_t size) {
        return ::lgetxattr(file.c_str(), key, buffer, size);
      },
      path);
}

void write_xattrs(int fd, const std::vector<Xattr>& xattrs, std::string_view path) {
  write_all(
      [fd](const Xattr& xattr) {
        return ::fsetxattr(fd, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0);
      },
      xattrs, path);
}

void write_xattrs_at(int directory_fd,
                     const std::string& name,
                     const std::vector<Xattr>& xattrs,
                     std::string_view path) {
  if (xattrs.empty()) return;
  const std::string file = proc_path(directory_fd, name);
  write_all(
      [&](const Xattr& xattr) {
        return ::lsetxattr(file.c_str(), xattr.name.c_str(), xattr.value.data(), xattr.value.size(),
                           0);
      },
      xattrs, path);
}

}  // namespace kiln::layer
