#include "builder/image/local_data.h"

#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "proto/error.h"

namespace kiln::image {

namespace {

// So much at a time that a cancelled build notices soon.
constexpr off_t kStepBytes = off_t{64} * 1024 * 1024;

class DataCopy {
 public:
  DataCopy(int from, int to, const std::string& path, const std::stop_token& stop)
      : from_(from), to_(to), path_(path), stop_(stop) {}

  void range(off_t begin, off_t end) {
    while (begin < end) {
      if (stop_.stop_requested()) throw Error(Errc::cancelled, "{}: cancelled", path_);
      const auto step = static_cast<std::size_t>(std::min(end - begin, kStepBytes));
      const ssize_t count = ranged_ ? copy_range(begin, step) : send(begin, step);
      if (count > 0) {
        begin += count;
      } else if (count == 0) {
        throw Error(Errc::unavailable, "{}: it became shorter while it was copied", path_);
      } else if (ranged_ && cannot_range(errno)) {
        ranged_ = false;
      } else if (errno != EINTR) {
        throw system_error(errno, "output directory: write " + path_);
      }
    }
  }

  void all(off_t size) {
    off_t end_of_data = 0;
    for (off_t begin = 0; begin < size;) {
      begin = ::lseek(from_, begin, SEEK_DATA);
      if (begin < 0 && errno == ENXIO) break;  // the rest is a hole
      const off_t end = begin < 0 ? -1 : ::lseek(from_, begin, SEEK_HOLE);
      if (end < 0) throw system_error(errno, "look for the data of " + path_);
      range(begin, end);
      begin = end_of_data = end;
    }
    if (end_of_data < size && ::ftruncate(to_, size) != 0)
      throw system_error(errno, "output directory: extend " + path_);
  }

 private:
  // Not between all file systems (copy_file_range(2), "cross-filesystem").
  static bool cannot_range(int error) {
    return error == EXDEV || error == EINVAL || error == EOPNOTSUPP || error == ENOSYS;
  }

  ssize_t copy_range(off_t begin, std::size_t step) const {
    off_t in = begin;
    off_t out = begin;
    return ::copy_file_range(from_, &in, to_, &out, step, 0);
  }

  ssize_t send(off_t begin, std::size_t step) const {
    if (::lseek(to_, begin, SEEK_SET) < 0) return -1;
    off_t in = begin;
    return ::sendfile(to_, from_, &in, step);
  }

  int from_;
  int to_;
  const std::string& path_;
  const std::stop_token& stop_;
  bool ranged_ = true;
};

}  // namespace

void copy_file_data(int from, int to, const std::string& path, const std::stop_token& stop) {
  struct stat status{};
  if (::fstat(from, &status) != 0) throw system_error(errno, "stat " + path);
  constexpr off_t kBlockBytes = 512;  // st_blocks, stat(2)
  DataCopy copy(from, to, path, stop);
  if (status.st_blocks * kBlockBytes >= status.st_size) {
    copy.range(0, status.st_size);
  } else {
    copy.all(status.st_size);
  }
}

}  // namespace kiln::image
