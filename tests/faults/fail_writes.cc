// Preloaded into kilnd: lets one chosen system call that changes the store fail.
//
// KILN_FAULT_FILE names a file of two native 64-bit numbers, shared with the test: how many changes
// are to go well before one fails (negative: none fails, but they are counted down), and its errno.
// KILN_FAULT_ROOT is the directory whose changes count. Calls that libc makes itself (stdio) pass.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

struct Control {
  std::atomic<std::int64_t> before;
  std::atomic<std::int64_t> error;
};

Control* open_control() {
  const char* path = std::getenv("KILN_FAULT_FILE");
  if (!path) return nullptr;
  const int fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC));
  if (fd < 0) return nullptr;
  void* memory = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  return memory == MAP_FAILED ? nullptr : static_cast<Control*>(memory);
}

Control* control() {
  static Control* const shared = open_control();
  return shared;
}

std::string_view root() {
  static const char* const path = std::getenv("KILN_FAULT_ROOT");
  return path ? path : "";
}

bool is_below_root(std::string_view path) {
  return !root().empty() && path.starts_with(root());
}

bool is_below_root(int fd) {
  std::array<char, 4096> target{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  return size > 0 && is_below_root({target.data(), static_cast<std::size_t>(size)});
}

bool is_below_root(int directory, const char* path) {
  if (path && path[0] == '/') return is_below_root(std::string_view(path));
  return directory >= 0 && is_below_root(directory);
}

/// True when this change is the one that fails; errno is set.
template <class... Where>
bool fails(Where... where) {
  const int saved = errno;
  if (!control() || !is_below_root(where...)) {
    errno = saved;
    return false;
  }
  errno = saved;
  if (control()->before.fetch_sub(1) != 0) return false;
  errno = static_cast<int>(control()->error.load());
  return true;
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// One line a function: its signature, the arguments as they are passed on, and where it changes.
#define KILN_FAULT(result, name, signature, arguments, ...)               \
  extern "C" result name signature {                                      \
    static auto* const next = real<result signature>(#name);              \
    return fails(__VA_ARGS__) ? static_cast<result>(-1) : next arguments; \
  }

KILN_FAULT(ssize_t, write, (int fd, const void* data, size_t size), (fd, data, size), fd)
KILN_FAULT(ssize_t, writev, (int fd, const iovec* data, int count), (fd, data, count), fd)
KILN_FAULT(
    ssize_t, pwrite, (int fd, const void* data, size_t size, off_t at), (fd, data, size, at), fd)
KILN_FAULT(ssize_t,
           pwrite64,
           (int fd, const void* data, size_t size, off64_t at),
           (fd, data, size, at),
           fd)
KILN_FAULT(ssize_t,
           copy_file_range,
           (int from, off64_t* from_at, int fd, off64_t* at, size_t size, unsigned flags),
           (from, from_at, fd, at, size, flags),
           fd)
KILN_FAULT(int, ftruncate, (int fd, off_t size), (fd, size), fd)
KILN_FAULT(int, ftruncate64, (int fd, off64_t size), (fd, size), fd)
KILN_FAULT(int, fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size), fd)
KILN_FAULT(int, fsync, (int fd), (fd), fd)
KILN_FAULT(int, fdatasync, (int fd), (fd), fd)
KILN_FAULT(int, syncfs, (int fd), (fd), fd)
KILN_FAULT(int, fchmod, (int fd, mode_t mode), (fd, mode), fd)
KILN_FAULT(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), fd)
KILN_FAULT(int, futimens, (int fd, const timespec times[2]), (fd, times), fd)
KILN_FAULT(int,
           fsetxattr,
           (int fd, const char* name, const void* data, size_t size, int flags),
           (fd, name, data, size, flags),
           fd)
KILN_FAULT(int, mkdir, (const char* path, mode_t mode), (path, mode), AT_FDCWD, path)
KILN_FAULT(int,
           mkdirat,
           (int directory, const char* path, mode_t mode),
           (directory, path, mode),
           directory,
           path)
KILN_FAULT(int,
           mknodat,
           (int directory, const char* path, mode_t mode, dev_t device),
           (directory, path, mode, device),
           directory,
           path)
KILN_FAULT(int,
           symlinkat,
           (const char* target, int directory, const char* path),
           (target, directory, path),
           directory,
           path)
KILN_FAULT(int,
           linkat,
           (int from, const char* old, int directory, const char* path, int flags),
           (from, old, directory, path, flags),
           directory,
           path)
KILN_FAULT(int, rename, (const char* old, const char* path), (old, path), AT_FDCWD, path)
KILN_FAULT(int,
           renameat,
           (int from, const char* old, int directory, const char* path),
           (from, old, directory, path),
           directory,
           path)
KILN_FAULT(int,
           renameat2,
           (int from, const char* old, int directory, const char* path, unsigned flags),
           (from, old, directory, path, flags),
           directory,
           path)
KILN_FAULT(int,
           fchownat,
           (int directory, const char* path, uid_t uid, gid_t gid, int flags),
           (directory, path, uid, gid, flags),
           directory,
           path)
KILN_FAULT(int,
           utimensat,
           (int directory, const char* path, const timespec times[2], int flags),
           (directory, path, times, flags),
           directory,
           path)

namespace {

int open_or_fail(const char* name, int directory, const char* path, int flags, mode_t mode) {
  if ((flags & O_CREAT) != 0 && fails(directory, path)) return -1;
  return real<int(int, const char*, int, ...)>(name)(directory, path, flags, mode);
}

mode_t mode_of(int flags, va_list rest) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
}

}  // namespace

#define KILN_FAULT_OPEN(name, next)                          \
  extern "C" int name(const char* path, int flags, ...) {    \
    va_list rest;                                            \
    va_start(rest, flags);                                   \
    const mode_t mode = mode_of(flags, rest);                \
    va_end(rest);                                            \
    return open_or_fail(#next, AT_FDCWD, path, flags, mode); \
  }
#define KILN_FAULT_OPENAT(name)                                          \
  extern "C" int name(int directory, const char* path, int flags, ...) { \
    va_list rest;                                                        \
    va_start(rest, flags);                                               \
    const mode_t mode = mode_of(flags, rest);                            \
    va_end(rest);                                                        \
    return open_or_fail(#name, directory, path, flags, mode);            \
  }

KILN_FAULT_OPEN(open, openat)
KILN_FAULT_OPEN(open64, openat64)
KILN_FAULT_OPENAT(openat)
KILN_FAULT_OPENAT(openat64)

extern "C" long syscall(long number, ...) noexcept {
  static auto* const next = real<long(long, ...)>("syscall");
  std::array<long, 6> words{};
  va_list rest;
  va_start(rest, number);
  for (long& word : words)
    word = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_openat2) {
    const auto* how = reinterpret_cast<const open_how*>(words[2]);
    const auto* path = reinterpret_cast<const char*>(words[1]);
    if ((how->flags & O_CREAT) != 0 && fails(static_cast<int>(words[0]), path)) return -1;
  }
  return next(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}
