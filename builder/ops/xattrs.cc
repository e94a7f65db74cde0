#include "builder/ops/xattrs.h"

#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "proto/error.h"

namespace kiln::ops {

namespace {

bool is_carried(std::string_view name) {
  return name.starts_with("user.") || name == "security.capability";
}

}  // namespace

std::vector<Xattr> read_xattrs(int fd) {
  const ssize_t size = ::flistxattr(fd, nullptr, 0);
  if (size == 0 || (size < 0 && errno == ENOTSUP)) return {};
  if (size < 0) throw system_error(errno, "list extended attributes");
  std::string names(static_cast<std::size_t>(size), '\0');
  const ssize_t listed = ::flistxattr(fd, names.data(), names.size());
  if (listed < 0) throw system_error(errno, "list extended attributes");
  names.resize(static_cast<std::size_t>(listed));

  std::vector<Xattr> xattrs;
  for (std::size_t at = 0; at < names.size();) {
    const std::string name(names.c_str() + at);
    at += name.size() + 1;
    if (!is_carried(name)) continue;
    const ssize_t value_size = ::fgetxattr(fd, name.c_str(), nullptr, 0);
    std::string value(value_size > 0 ? static_cast<std::size_t>(value_size) : 0, '\0');
    const ssize_t got = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
    if (got < 0) throw system_error(errno, "read extended attribute " + name);
    value.resize(static_cast<std::size_t>(got));
    xattrs.push_back({name, std::move(value)});
  }
  std::ranges::sort(xattrs, {}, &Xattr::name);
  return xattrs;
}

void write_xattrs(int fd, const std::vector<Xattr>& xattrs) {
  for (const Xattr& xattr : xattrs) {
    if (::fsetxattr(fd, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0) != 0 &&
        errno != ENOTSUP && errno != EPERM) {
      throw system_error(errno, "write extended attribute " + xattr.name);
    }
  }
}

}  // namespace kiln::ops
