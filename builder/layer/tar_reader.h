// The entries of a tar stream: v7, ustar, pax and GNU, as hostile as they may be.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "builder/layer/archive_handle.h"
#include "builder/layer/attributes.h"
#include "proto/bytes.h"

struct archive_entry;

namespace kiln::layer {

struct TarEntry {
  std::string name;  ///< as the archive has it
  mode_t type = 0;   ///< S_IFREG, S_IFDIR, ...
  Attributes attributes;
  bool is_hard_link = false;
  std::string link_target;  ///< of a symbolic or hard link, as the archive has it
  dev_t device = 0;
};

class TarReader {
 public:
  /// `source` outlives the reader.
  explicit TarReader(Source& source);

  /// The next entry, in `entry`; false at the end. Throws Error{corrupt}.
  [[nodiscard]] bool next(TarEntry& entry);

  /// Writes the content of the entry into an open, empty file: what is zero stays a hole.
  /// Returns the file's size.
  std::uint64_t copy_content(int fd, const std::string& name, const std::stop_token& stop);

 private:
  struct Free {
    void operator()(archive_entry* entry) const noexcept;
  };
  void read_attributes(TarEntry& entry) const;

  ArchiveHandle handle_;
  std::unique_ptr<archive_entry, Free> raw_;
  bool opened_ = false;
};

}  // namespace kiln::layer
