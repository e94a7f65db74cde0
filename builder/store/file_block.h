// Digests of files whose inode numbers are neighbours, as one row of the database holds them: the
// files of a context mostly lie together, and a row for each would cost more than all the rest of a
// lookup.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "builder/store/database.h"
#include "proto/bytes.h"

namespace kiln::store {

/// The row of a file: `block` is the number of 64 neighbours.
struct FilePlace {
  std::uint64_t device = 0;
  std::uint64_t block = 0;
  friend auto operator<=>(const FilePlace&, const FilePlace&) = default;
};

[[nodiscard]] constexpr FilePlace place_of(const FileIdentity& file) {
  return {file.device, file.inode / 64};
}

/// The files of one row. Its bytes are 61 a file, sorted by inode, numbers as the processor has
/// them: inode modulo 64 (1), mode (4), size (8), mtime (8) and ctime (8) in nanoseconds, SHA-256
/// (32).
class FileBlock {
 public:
  static constexpr std::size_t kFileBytes = 61;

  /// Bytes that are no such list are taken for none: then the files are hashed again.
  explicit FileBlock(std::string_view bytes);

  /// The digest of exactly this version of the file.
  [[nodiscard]] std::optional<Digest> find(const FileIdentity& file) const;
  /// Replaces what is known of another version.
  void put(const FileIdentity& file, const Digest& digest);
  [[nodiscard]] Bytes bytes() const;

 private:
  /// Where `inode` is in `bytes_`, or belongs; whether it is there.
  [[nodiscard]] std::pair<std::size_t, bool> look_up(std::uint64_t inode) const;

  std::string bytes_;
};

}  // namespace kiln::store
