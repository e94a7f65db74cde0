// What the benchmarks work on, and the machine's own speed at the least that could be done with it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "builder/os/file.h"

namespace kiln::bench {

/// Text as source code has it, always the same: it compresses to about a third.
[[nodiscard]] std::string text_sample(std::size_t size_bytes);

/// Programs and libraries of this machine one after the other, in the order of their names.
[[nodiscard]] std::string binary_sample(std::size_t size_bytes);

/// A directory of `files` files of text of `total_bytes` in all, 50 a directory; their times are an
/// hour back, so that what watches the clock's tick trusts them. Removed with this object.
class SampleTree {
 public:
  SampleTree(std::size_t files, std::size_t total_bytes);

  [[nodiscard]] const std::filesystem::path& path() const { return dir_.path(); }
  [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] std::size_t files() const { return files_; }

 private:
  os::TempDir dir_;
  std::size_t files_;
  std::size_t size_bytes_ = 0;
};

/// Where benchmarks make their files: KILN_BENCH_DIR, else /var/tmp, which is no tmpfs.
[[nodiscard]] std::filesystem::path scratch_parent();

/// `cp -r`: what the machine's own tool takes to copy a tree to a name that does not exist.
void copy_by_cp(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace kiln::bench
