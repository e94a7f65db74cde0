#include "daemon/spill.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::daemon {

void Spill::append(std::string_view bytes) {
  if (!file_) file_ = os::open_file(directory_, O_TMPFILE | O_RDWR, 0600);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pwrite(file_.get(), bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(end_ + done));
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, "write a stream's backlog in " + directory_.string());
    }
    done += static_cast<std::size_t>(count);
  }
  end_ += done;
}

std::string Spill::take(std::size_t limit_bytes) {
  std::string bytes(std::min<std::uint64_t>(limit_bytes, size_bytes()), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pread(file_.get(), bytes.data() + done, bytes.size() - done,
                                  static_cast<off_t>(begin_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      throw system_error(count < 0 ? errno : EIO,
                         "read a stream's backlog in " + directory_.string());
    }
    done += static_cast<std::size_t>(count);
  }
  begin_ += done;
  if (begin_ == end_ && end_ != 0) {
    begin_ = end_ = 0;
    // Gives the disk space back; the offsets alone keep the order right when it fails.
    if (::ftruncate(file_.get(), 0) != 0) file_ = os::Fd();
  }
  return bytes;
}

}  // namespace kiln::daemon
