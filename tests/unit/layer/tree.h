// Scratch directories, small trees in them, and a listing of all that a layer must keep.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "builder/layer/write_layer.h"
#include "builder/os/file.h"
#include "builder/store/blob_store.h"
#include "proto/bytes.h"

namespace kiln::layer::testing {

class Scratch {
 public:
  Scratch() : directory_(std::filesystem::temp_directory_path(), "kiln-layer") {}
  [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }
  /// A new, empty directory in it.
  [[nodiscard]] std::filesystem::path make(const std::string& name) const;

 private:
  os::TempDir directory_;
};

void put_file(const std::filesystem::path& path, std::string_view text, unsigned mode = 0644);
void set_xattr(const std::filesystem::path& path,
               const std::string& name,
               const std::string& value);
void set_mtime(const std::filesystem::path& path, std::int64_t seconds);
void make_whiteout(const std::filesystem::path& path);

/// path → type, mode, owner, mtime, size and hash or target or device, xattrs, and the first path
/// of the same inode. Written without the code under test.
std::map<std::string, std::string> describe(const std::filesystem::path& root);

/// Runs a shell command; its output and, when it fails, "exit N".
std::string run(const std::string& command);

/// A source that gives at most `step` bytes at a time.
class DripSource final : public Source {
 public:
  DripSource(std::string bytes, std::size_t step) : bytes_(std::move(bytes)), step_(step) {}
  std::size_t read(MutableBytes buffer) override;

 private:
  std::string bytes_;
  std::size_t position_ = 0;
  std::size_t step_;
};

std::string read_all(Source& source);
/// Many lines that are alike but not equal: compresses like text.
std::string sample_text(std::size_t bytes);
/// Bytes that do not compress.
std::string noise(std::size_t bytes, unsigned seed = 1);

}  // namespace kiln::layer::testing
