// What a file has beside its content, and which extended attributes travel in layers.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::layer {

struct Xattr {
  std::string name;
  std::string value;
  friend bool operator==(const Xattr&, const Xattr&) = default;
};

struct Attributes {
  mode_t mode = 0;  ///< permission bits with setuid, setgid and sticky, without the type
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime = 0;  ///< seconds since the epoch
  long mtime_ns = 0;
  std::vector<Xattr> xattrs;
};

/// What overlayfs marks a directory with that hides what is below it.
inline constexpr const char* kOpaqueXattr = "trusted.overlay.opaque";

/// True for attributes that belong to the file: user.*, trusted.*, POSIX ACLs and file
/// capabilities. Not overlayfs' own, whichever way they go: in a layer they could redirect a
/// directory elsewhere. Not the host's security labels.
[[nodiscard]] bool travels(std::string_view xattr);

/// All extended attributes of an open file, sorted by name.
[[nodiscard]] std::vector<Xattr> read_xattrs(int fd, std::string_view path);
/// The same of what `name` in an open directory is, a symbolic link itself.
[[nodiscard]] std::vector<Xattr> read_xattrs_at(int directory_fd,
                                                const std::string& name,
                                                std::string_view path);

/// Sets those that travel. One that the file system or the kind of file does not support is left
/// out.
void write_xattrs(int fd, const std::vector<Xattr>& xattrs, std::string_view path);
void write_xattrs_at(int directory_fd,
                     const std::string& name,
                     const std::vector<Xattr>& xattrs,
                     std::string_view path);

}  // namespace kiln::layer
