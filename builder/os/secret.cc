#include "builder/os/secret.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "proto/error.h"

namespace kiln::os {

Secret::Secret(std::size_t size_bytes) {
  if (size_bytes == 0) return;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t mapped = (size_bytes + page - 1) / page * page;
  void* const pages =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw system_error(errno, "memory for a secret");
  data_ = static_cast<char*>(pages);
  size_ = size_bytes;
  mapped_ = mapped;
  if (::madvise(data_, mapped_, MADV_DONTDUMP) != 0)
    throw system_error(errno, "keep a secret out of core dumps");
  // Over the limit of locked memory (RLIMIT_MEMLOCK) the secret is as safe as the swap space.
  ::mlock(data_, mapped_);
}

Secret::Secret(std::string_view text) : Secret(text.size()) {
  std::ranges::copy(text, data_);
}

Secret::~Secret() {
  if (!data_) return;
  ::explicit_bzero(data_, mapped_);
  ::munmap(data_, mapped_);
}

Secret Secret::read(int fd, std::string_view what, std::size_t limit_bytes) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) throw system_error(errno, fmt::format("stat {}", what));
  if (!S_ISREG(status.st_mode)) throw Error(Errc::invalid_input, "{}: not a regular file", what);
  // The size that a file tells is not asked: files of /proc have none, others change.
  Secret all(limit_bytes + 1);
  std::size_t have = 0;
  while (have <= limit_bytes) {
    const ssize_t count =
        ::pread(fd, all.data_ + have, limit_bytes + 1 - have, static_cast<off_t>(have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw system_error(errno, fmt::format("read {}", what));
    if (count == 0) return Secret(all.view().substr(0, have));
    have += static_cast<std::size_t>(count);
  }
  throw Error(Errc::invalid_input, "{}: over the limit of {} KiB", what, limit_bytes / 1024);
}

void wipe(std::string& text) noexcept {
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

}  // namespace kiln::os
