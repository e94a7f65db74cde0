// The entries of an image archive in their order, and the meaning of their names.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "builder/layer/archive_handle.h"
#include "proto/bytes.h"

struct archive_entry;

namespace kiln::image {

struct ArchiveEntry {
  std::string name;  ///< as the archive has it
  std::uint64_t size_bytes = 0;
  bool is_file = false;       ///< a regular file, with content
  bool is_hard_link = false;  ///< of another name of the archive
  std::string link_target;    ///< of a symbolic or hard link; else ""
};

class ArchiveEntries {
 public:
  explicit ArchiveEntries(std::unique_ptr<Source> tar);

  /// The next entry in `entry`; false at the end. Throws Error{invalid_input} when it is no tar at
  /// all, Error{corrupt} when it is a damaged one.
  [[nodiscard]] bool next(ArchiveEntry& entry);

  /// Writes all of the current file's content. Throws Error{corrupt} when it is cut off or sparse
  /// (no image tool writes such, and a few bytes could claim any size).
  void copy_content(const ArchiveEntry& entry, Sink& sink, const std::stop_token& stop);

  /// Reads what follows the end of the archive, padding: who writes into our pipe can end.
  void drain(const std::stop_token& stop);

 private:
  struct Free {
    void operator()(archive_entry* entry) const noexcept;
  };

  std::unique_ptr<Source> tar_;
  layer::ArchiveHandle handle_;
  std::unique_ptr<archive_entry, Free> raw_;
  bool opened_ = false;
  bool seen_entry_ = false;
};

/// `name` relative to the directory `base` of the archive, as "a/b/c"; nullopt when it leads out of
/// the archive, or is longer than any name an image tool writes.
[[nodiscard]] std::optional<std::string> archive_path(std::string_view base, std::string_view name);

}  // namespace kiln::image
