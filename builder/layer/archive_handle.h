// libarchive for reading: the handle, and our Source behind its callbacks.
#pragma once

#include <exception>
#include <memory>
#include <vector>

#include "proto/bytes.h"

struct archive;

namespace kiln::layer {

/// An archive being read from a Source. Not movable: libarchive holds its address.
class ArchiveHandle {
 public:
  explicit ArchiveHandle(Source& source);
  ArchiveHandle(const ArchiveHandle&) = delete;
  ArchiveHandle& operator=(const ArchiveHandle&) = delete;

  [[nodiscard]] archive* get() const noexcept { return archive_.get(); }
  /// Starts reading; formats and filters are set before.
  void open();
  /// Passes results of ARCHIVE_WARN and better on. Else throws what the Source threw, or
  /// Error{corrupt} with libarchive's words behind `what`.
  int check(int result, const char* what);

 private:
  struct Free {
    void operator()(archive* handle) const noexcept;
  };
  static long read_block(archive* handle, void* self, const void** block);

  Source& source_;
  std::exception_ptr failure_;
  std::vector<std::byte> buffer_;
  std::unique_ptr<archive, Free> archive_;  // last: freeing it may still use the rest
};

/// Uncompresses xz and bzip2 streams.
[[nodiscard]] std::unique_ptr<Source> make_libarchive_source(std::unique_ptr<Source> compressed);

}  // namespace kiln::layer
