// Bytes that nobody else may see.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace kiln::os {

/// A secret's bytes: in pages of their own that no core dump has, that are not swapped out as far
/// as the limit of locked memory allows, and that are wiped when they go. Nothing else copies them:
/// take view() and wipe what was made of it.
class Secret {
 public:
  Secret() = default;
  /// Room for `size_bytes`, zeroed. Throws Error.
  explicit Secret(std::size_t size_bytes);
  explicit Secret(std::string_view text);
  /// Reads a regular file from its beginning. Throws Error naming `what`, never the content:
  /// invalid_input for another kind of file, and over `limit_bytes`. Blocks.
  [[nodiscard]] static Secret read(int fd, std::string_view what, std::size_t limit_bytes);

  Secret(Secret&& other) noexcept { *this = std::move(other); }
  Secret& operator=(Secret&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(mapped_, other.mapped_);
    return *this;
  }
  ~Secret();

  [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;  ///< bytes of whole pages, at least size_
};

/// Zeroes a text that a secret went into, and empties it.
void wipe(std::string& text) noexcept;

}  // namespace kiln::os
