#include "builder/store/reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include "builder/os/fd.h"

namespace kiln::store {

Reserve::Reserve(const std::filesystem::path& root) : file_(root / "reserve") {
  ::unlink(file_.c_str());
}

void Reserve::fill() noexcept {
  const std::scoped_lock lock(mutex_);
  if (users_ == 0) fill_locked();
}

void Reserve::fill_locked() noexcept {
  const os::Fd fd(::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return;
  // A smaller one is better than none.
  for (std::uint64_t bytes = kBytes; bytes >= kBytes / 16; bytes /= 2) {
    if (::fallocate(fd.get(), 0, 0, static_cast<off_t>(bytes)) == 0) return;
  }
}

void Reserve::release() noexcept {
  const std::scoped_lock lock(mutex_);
  ++users_;
  ::unlink(file_.c_str());
}

void Reserve::give_back() noexcept {
  const std::scoped_lock lock(mutex_);
  if (--users_ == 0) fill_locked();
}

}  // namespace kiln::store
