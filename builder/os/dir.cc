#include "builder/os/dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "proto/error.h"

namespace kiln::os {

namespace {

std::uint64_t resolve_flags(Links links) {
  switch (links) {
    case Links::beneath:
      return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    case Links::in_root:
      return RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    case Links::refuse:
      return RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  }
  return RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
}

int open_resolved(int root, const std::string& name, int flags, Links links, mode_t mode) {
  // The kernel would see another name than the one that was asked for.
  if (name.find('\0') != std::string::npos)
    throw Error(Errc::denied, "a name contains a zero byte");
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  // O_TMPFILE contains the bit of O_DIRECTORY.
  how.mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0;
  how.resolve = resolve_flags(links);
  while (true) {
    const long fd =
        ::syscall(SYS_openat2, root, name.empty() ? "." : name.c_str(), &how, sizeof how);
    // EAGAIN: a rename raced with a "..": the kernel asks for another try (openat2(2)).
    if (fd >= 0 || (errno != EINTR && errno != EAGAIN)) return static_cast<int>(fd);
  }
}

[[noreturn]] void fail(const std::string& name, int errno_value) {
  if (errno_value == EXDEV || errno_value == ELOOP) {
    throw Error(Errc::denied, "{}: leads out of its root directory, or through too many links",
                name);
  }
  throw system_error(errno_value, "open " + name);
}

}  // namespace

Dir Dir::open(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error(errno, "open directory " + path.string());
  return Dir(std::move(fd));
}

Dir::Dir(Fd fd) : fd_(std::move(fd)) {
  struct stat status{};
  if (::fstat(fd_.get(), &status) != 0) throw system_error(errno, "stat a directory descriptor");
  if (!S_ISDIR(status.st_mode)) throw Error(Errc::invalid_input, "not a directory");
}

Fd Dir::open_at(std::string_view name, int flags, Links links, mode_t mode) const {
  const std::string text(name);
  Fd fd(open_resolved(fd_.get(), text, flags, links, mode));
  if (!fd) fail(text, errno);
  return fd;
}

std::optional<Fd> Dir::try_open_at(std::string_view name,
                                   int flags,
                                   Links links,
                                   mode_t mode) const {
  const std::string text(name);
  Fd fd(open_resolved(fd_.get(), text, flags, links, mode));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    fail(text, errno);
  }
  return fd;
}

Dir Dir::open_dir(std::string_view name, Links links) const {
  return Dir(open_at(name, O_RDONLY | O_DIRECTORY, links));
}

std::vector<DirEntry> Dir::entries() const {
  return read_entries(fd_.get());
}

std::vector<DirEntry> read_entries(int directory_fd) {
  struct Record {  // linux_dirent64, getdents64(2)
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t length;
    unsigned char type;
    char name[1];
  };
  constexpr std::size_t kNameOffset = 19;
  alignas(Record) thread_local std::array<char, 64 * 1024> buffer;
  std::vector<DirEntry> result;
  if (::lseek(directory_fd, 0, SEEK_SET) < 0) throw system_error(errno, "rewind a directory");
  while (true) {
    const long count = ::syscall(SYS_getdents64, directory_fd, buffer.data(), buffer.size());
    if (count < 0) throw system_error(errno, "read a directory");
    if (count == 0) break;
    for (long position = 0; position < count;) {
      Record record;
      const char* bytes = buffer.data() + position;
      std::memcpy(&record, bytes, kNameOffset);
      const std::string_view name(bytes + kNameOffset);
      if (name != "." && name != "..")
        result.push_back({std::string(name), record.type, record.inode});
      position += record.length;
    }
  }
  std::ranges::sort(result, {}, &DirEntry::name);
  return result;
}

std::string read_link(int directory_fd, const std::string& name) {
  std::array<char, PATH_MAX> target;
  const ssize_t size = ::readlinkat(directory_fd, name.c_str(), target.data(), target.size());
  if (size < 0) throw system_error(errno, "read link " + name);
  return {target.data(), static_cast<std::size_t>(size)};
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

}  // namespace kiln::os
