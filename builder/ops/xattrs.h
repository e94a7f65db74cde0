// The extended attributes that a copy carries.
#pragma once

#include <string>
#include <vector>

namespace kiln::ops {

struct Xattr {
  std::string name;
  std::string value;
};

/// The file's user.* and security.capability attributes, sorted by name; none where the file system
/// has no attributes. Labels of the host's security module are its own business and not copied.
[[nodiscard]] std::vector<Xattr> read_xattrs(int fd);

/// One that the file system or the kind of file does not take is left out.
void write_xattrs(int fd, const std::vector<Xattr>& xattrs);

}  // namespace kiln::ops
