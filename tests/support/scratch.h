// A directory of a test's own, and small trees in it.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::test {

/// Removed with all it holds.
class Scratch {
 public:
  Scratch() : dir_(std::filesystem::temp_directory_path(), "kiln-test") {}
  [[nodiscard]] const std::filesystem::path& path() const { return dir_.path(); }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path() / name;
  }

  /// Writes a file, with the directories above it.
  std::filesystem::path write(std::string_view name, std::string_view content) const {
    const std::filesystem::path file = path() / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  std::filesystem::path make_directory(std::string_view name) const {
    std::filesystem::create_directories(path() / name);
    return path() / name;
  }

 private:
  os::TempDir dir_;
};

inline std::string content_of(const std::filesystem::path& file) {
  return os::read_file(file, 1 << 24);
}

inline struct stat status_of(const std::filesystem::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) throw system_error(errno, "stat " + path.string());
  return status;
}

}  // namespace kiln::test
