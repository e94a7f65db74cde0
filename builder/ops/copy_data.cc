#include "builder/ops/copy_data.h"

#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "proto/error.h"

namespace kiln::ops {

namespace {

/// So much at a time that a cancelled build notices soon.
constexpr std::uint64_t kStepBytes = 64ULL * 1024 * 1024;

bool not_possible(int error) {
  return error == EXDEV || error == EINVAL || error == EOPNOTSUPP || error == ENOSYS ||
         error == EBADF;
}

}  // namespace

void copy_data(
    int from, int to, std::uint64_t size_bytes, std::string_view name, std::stop_token stop) {
  bool ranged = true;  // copy_file_range shares extents; not between all file systems
  for (std::uint64_t done = 0; done < size_bytes;) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "cancelled");
    const auto step = static_cast<std::size_t>(std::min(size_bytes - done, kStepBytes));
    const ssize_t count = ranged ? ::copy_file_range(from, nullptr, to, nullptr, step, 0)
                                 : ::sendfile(to, from, nullptr, step);
    if (count > 0) {
      done += static_cast<std::uint64_t>(count);
    } else if (count == 0) {
      throw Error(Errc::unavailable, "\"{}\" became shorter while it was being copied", name);
    } else if (ranged && not_possible(errno)) {
      ranged = false;
    } else if (errno != EINTR) {
      throw system_error(errno, fmt::format("copy \"{}\"", name));
    }
  }
}

}  // namespace kiln::ops
