#include "proto/error.h"

#include <cerrno>

namespace kiln {

Error system_error(int errno_value, std::string_view what) {
  const Errc code = errno_value == ENOENT || errno_value == ENOTDIR ? Errc::not_found
                    : errno_value == EACCES || errno_value == EPERM ? Errc::denied
                                                                    : Errc::unavailable;
  Error error(code, fmt::format("{}: {}", what, std::generic_category().message(errno_value)));
  if (errno_value == ENOSPC || errno_value == EDQUOT) error.set_disk_full();
  return error;
}

}  // namespace kiln
