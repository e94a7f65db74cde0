// A deterministic pax stream: equal entries give equal bytes on every machine.
//
// Numeric owners without names, whole-second times, no access or change times, no inode numbers, a
// pax header only where the plain one cannot say it, two zero blocks at the end and no more.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "builder/layer/attributes.h"
#include "proto/bytes.h"

struct archive;
struct archive_entry;

namespace kiln::layer {

struct TarHeader {
  std::string path;  ///< relative, without a trailing slash
  mode_t type = 0;   ///< S_IFREG, S_IFDIR, ...
  Attributes attributes;
  std::string link_target;  ///< of a symbolic link
  std::string hard_link;    ///< path of an earlier entry; no content follows
  dev_t device = 0;         ///< of a device node
  std::uint64_t size_bytes = 0;
};

/// How times are written: a layer's in whole seconds, as all tools keep them.
enum class TarTimes { seconds, nanoseconds };

class TarWriter {
 public:
  /// `sink` outlives the writer.
  explicit TarWriter(Sink& sink, TarTimes times = TarTimes::seconds);
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;
  ~TarWriter();

  /// Begins an entry; exactly size_bytes of content follow.
  void header(const TarHeader& header);
  void content(Bytes bytes);
  /// Ends the archive; does not finish the sink.
  void close();
  /// What was passed to the sink.
  [[nodiscard]] std::uint64_t count_bytes() const noexcept { return count_bytes_; }

 private:
  struct FreeArchive {
    void operator()(archive* handle) const noexcept;
  };
  struct FreeEntry {
    void operator()(archive_entry* entry) const noexcept;
  };
  static long pass_on(archive* handle, void* self, const void* bytes, std::size_t size);
  void check(long result, const std::string& path);

  Sink& sink_;
  TarTimes times_;
  std::exception_ptr failure_;
  std::string path_;
  std::uint64_t count_bytes_ = 0;
  std::unique_ptr<archive_entry, FreeEntry> entry_;
  bool abandoned_ = false;
  std::unique_ptr<archive, FreeArchive> archive_;  // last: freeing it calls pass_on
};

}  // namespace kiln::layer
