#include "builder/os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include "builder/os/dir.h"
#include "proto/error.h"

namespace kiln::os {

Fd open_file(const std::filesystem::path& path, int flags, unsigned mode) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) throw system_error(errno, "open " + path.string());
  return fd;
}

std::string read_all(int fd, std::string_view name, std::size_t limit_bytes) {
  std::string text;
  std::array<char, 16 * 1024> buffer;
  while (true) {
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, fmt::format("read {}", name));
    }
    if (count == 0) return text;
    if (text.size() + static_cast<std::size_t>(count) > limit_bytes) {
      throw Error(Errc::invalid_input, "{}: over the limit of {} bytes", name, limit_bytes);
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

std::string read_file(const std::filesystem::path& path, std::size_t limit_bytes) {
  return read_all(open_file(path, O_RDONLY).get(), path.string(), limit_bytes);
}

void write_all(int fd, Bytes bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, fmt::format("write {}", name));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  write_all(fd.get(), as_bytes(text), path.string());
}

std::size_t FileSource::read(MutableBytes buffer) {
  while (true) {
    const ssize_t count = ::read(fd_.get(), buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) throw system_error(errno, "read " + name_);
  }
}

TempDir::TempDir(const std::filesystem::path& parent, std::string_view prefix) {
  std::string name = (parent / fmt::format("{}.XXXXXX", prefix)).string();
  if (!::mkdtemp(name.data())) throw system_error(errno, "make a directory in " + parent.string());
  path_ = std::move(name);
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  try {
    remove_tree(path_);
  } catch (const Error&) {
    // Still mounted or a failing disk: the next start empties tmp/ and says what it cannot remove.
    return;
  }
}

namespace {

void remove_entries(int directory_fd, const std::filesystem::path& path);

void remove_entry(int parent_fd, const DirEntry& entry, const std::filesystem::path& path) {
  if (entry.type != DT_DIR) {
    if (::unlinkat(parent_fd, entry.name.c_str(), 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR) throw system_error(errno, "remove " + (path / entry.name).string());
  }
  const Fd child(
      ::openat(parent_fd, entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (child) remove_entries(child.get(), path / entry.name);
  if (::unlinkat(parent_fd, entry.name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    throw system_error(errno, "remove " + (path / entry.name).string());
  }
}

void remove_entries(int directory_fd, const std::filesystem::path& path) {
  for (const DirEntry& entry : read_entries(directory_fd))
    remove_entry(directory_fd, entry, path);
}

}  // namespace

void remove_tree(const std::filesystem::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) return;
    if (::unlink(path.c_str()) == 0) return;
    throw system_error(errno, "remove " + path.string());
  }
  remove_entries(fd.get(), path);
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT)
    throw system_error(errno, "remove " + path.string());
}

std::optional<FileLock> FileLock::try_acquire(const std::filesystem::path& path) {
  Fd fd = open_file(path, O_RDWR | O_CREAT, 0600);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    throw system_error(errno, "lock " + path.string());
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0) throw system_error(errno, "truncate " + path.string());
  write_all(fd.get(), as_bytes(pid), path.string());
  return FileLock(std::move(fd));
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string to_rfc3339(std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t seconds = ns / kSecond;
  std::int64_t fraction = ns % kSecond;
  if (fraction < 0) {
    fraction += kSecond;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string result(text.data(), size);
  if (fraction != 0) {
    std::string digits = fmt::format(".{:09}", fraction);
    digits.erase(digits.find_last_not_of('0') + 1);
    result += digits;
  }
  return result + "Z";
}

}  // namespace kiln::os
