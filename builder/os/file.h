// Whole files, temporary directories, atomic publication and locks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "builder/os/fd.h"
#include "proto/bytes.h"

namespace kiln::os {

/// open(2) with O_CLOEXEC; throws Error naming the path.
[[nodiscard]] Fd open_file(const std::filesystem::path& path, int flags, unsigned mode = 0644);

/// A small text file; throws Error{invalid_input} when it is over `limit_bytes`.
[[nodiscard]] std::string read_file(const std::filesystem::path& path, std::size_t limit_bytes);
[[nodiscard]] std::string read_all(int fd, std::string_view name, std::size_t limit_bytes);

/// Writes all of `bytes`, however the kernel splits it; throws Error naming `name`.
void write_all(int fd, Bytes bytes, std::string_view name);
/// Writes a /proc or /sys knob, or a small private file, in one go.
void write_file(const std::filesystem::path& path, std::string_view text);

/// Writes to a descriptor it owns. finish() does not sync.
class FileSink final : public Sink {
 public:
  FileSink(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  void write(Bytes bytes) override { write_all(fd_.get(), bytes, name_); }

 private:
  Fd fd_;
  std::string name_;
};

/// Reads a descriptor it owns from its current offset.
class FileSource final : public Source {
 public:
  FileSource(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  std::size_t read(MutableBytes buffer) override;

 private:
  Fd fd_;
  std::string name_;
};

/// A directory of a random name that is removed with all it holds, unless it was kept. What cannot
/// be removed is left for the store's next start, which empties its tmp/.
class TempDir {
 public:
  /// Makes PARENT/PREFIX.XXXXXX, mode 0700.
  TempDir(const std::filesystem::path& parent, std::string_view prefix);
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~TempDir();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// Tells the file system that the subdirectories of a directory have nothing to do with each other
/// (FS_TOPDIR_FL, chattr(1) +T): ext4 then begins each in another group of inodes. Beside trees
/// that were just removed it would look at each of their inodes for every new file, since it gives
/// out none that was freed within the last minutes. A hint: false where the file system takes none.
bool spread_subdirectories(const std::filesystem::path& directory);

/// Removes a tree, root's and container's files alike, however deep; nothing is followed, and no
/// mount is entered. Missing is fine. Throws Error naming the first path that could not be removed.
void remove_tree(const std::filesystem::path& path);
/// The same for the entry `name` of an open directory.
void remove_tree_at(int directory_fd, const std::string& name);

/// An exclusive lock on a file for the life of the object.
class FileLock {
 public:
  /// nullopt when another process holds it. The file is made when missing and holds our pid.
  [[nodiscard]] static std::optional<FileLock> try_acquire(const std::filesystem::path& path);

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

/// Nanoseconds since the epoch.
[[nodiscard]] std::int64_t now_ns();
/// RFC 3339 in UTC: "2026-01-02T03:04:05.123456789Z"; without the fraction when it is zero.
[[nodiscard]] std::string to_rfc3339(std::int64_t ns);

}  // namespace kiln::os
