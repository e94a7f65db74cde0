// The file descriptors of this process: an owner, and whole reads and writes. All block.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace kiln::cli {

/// An open file descriptor, or none (-1).
class Fd {
 public:
  Fd() noexcept = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();

  explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// Opens for reading (O_CLOEXEC); throws Error naming `path`.
[[nodiscard]] Fd open_read(const std::string& path, int more_flags = 0);

/// An anonymous file in memory that holds `content`, at offset 0.
[[nodiscard]] Fd memory_file(std::string_view content);

/// The same, but for reading only: nobody who has it can change it.
[[nodiscard]] Fd sealed_file(std::string_view content);

/// All that is left to read from `fd`; `name` is for the error.
[[nodiscard]] std::string read_all(int fd, std::string_view name);

/// Writes all of `text`; `name` is for the error.
void write_all(int fd, std::string_view text, std::string_view name);

/// The content of the file at `path`; throws Error naming it.
[[nodiscard]] std::string read_file(const std::string& path);

/// Writes a new file beside `path` and renames it over: readers see the old or the new content,
/// whole.
void replace_file(const std::string& path, std::string_view content, unsigned mode);

}  // namespace kiln::cli
