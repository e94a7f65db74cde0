// The part of a stream's backlog that does not fit in memory: a nameless file, first in, first out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "builder/os/fd.h"

namespace kiln::daemon {

/// Thread: the event loop's. Writes go to the page cache and aren't synced.
class Spill {
 public:
  /// The file is made in `directory` on the first append.
  explicit Spill(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// Throws Error (disk full, no such directory); nothing was appended then.
  void append(std::string_view bytes);
  /// The oldest bytes, at most `limit_bytes`; "" when empty. Throws Error.
  [[nodiscard]] std::string take(std::size_t limit_bytes);
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return end_ - begin_; }

 private:
  std::filesystem::path directory_;
  os::Fd file_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace kiln::daemon
