#include "cli/fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "proto/error.h"

namespace kiln::cli {

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Fd open_read(const std::string& path, int more_flags) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | more_flags));  // NOLINT: open is variadic
  if (!fd) throw system_error(errno, "open " + path);
  return fd;
}

Fd memory_file(std::string_view content) {
  Fd fd(::memfd_create("kiln", MFD_CLOEXEC));
  if (!fd) throw system_error(errno, "memfd_create");
  write_all(fd.get(), content, "a file in memory");
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) throw system_error(errno, "rewind a file in memory");
  return fd;
}

Fd sealed_file(std::string_view content) {
  Fd fd(::memfd_create("kiln", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw system_error(errno, "memfd_create");
  write_all(fd.get(), content, "a file in memory");
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
    throw system_error(errno, "seal a file in memory");
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) throw system_error(errno, "rewind a file in memory");
  return fd;
}

std::string read_all(int fd, std::string_view name) {
  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) return text;
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      throw system_error(errno, fmt::format("read {}", name));
    }
  }
}

void write_all(int fd, std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      throw system_error(errno, fmt::format("write {}", name));
    }
  }
}

std::string read_file(const std::string& path) {
  return read_all(open_read(path).get(), path);
}

void replace_file(const std::string& path, std::string_view content, unsigned mode) {
  std::string temporary = path + ".XXXXXX";
  const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) throw system_error(errno, "create a file beside " + path);
  try {
    if (::fchmod(fd.get(), mode) < 0) throw system_error(errno, "chmod " + temporary);
    write_all(fd.get(), content, temporary);
    if (::fsync(fd.get()) < 0) throw system_error(errno, "fsync " + temporary);
    if (::rename(temporary.c_str(), path.c_str()) < 0)
      throw system_error(errno, fmt::format("rename {} to {}", temporary, path));
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace kiln::cli
