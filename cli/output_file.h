// Where an output goes on the client's side, as a descriptor that the daemon writes to.
#pragma once

#include <string>

#include "cli/fd.h"

namespace kiln::cli {

/// A file that appears under its name only by commit(); until then the daemon writes beside it, and
/// a failure leaves what was there before. "-" is stdout, and what exists but is no regular file
/// (a pipe, /dev/null) is written in place.
class OutputFile {
 public:
  /// Opens for writing. Throws Error naming `path`; UsageError for "-" on a terminal.
  [[nodiscard]] static OutputFile file(const std::string& path);
  /// Makes (with parents) and opens a directory; commit() has nothing to do.
  [[nodiscard]] static OutputFile directory(const std::string& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// Everything was written: gives the file its name.
  void commit();

 private:
  explicit OutputFile(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
  std::string path_;
  std::string temporary_;  ///< to be renamed to path_; "" when written in place
};

}  // namespace kiln::cli
