// Control groups of the unified hierarchy (v2): what lets a step be killed whole.
#pragma once

#include <chrono>
#include <filesystem>
#include <utility>

#include "builder/os/fd.h"

namespace kiln::sandbox {

/// Where the unified hierarchy is seen.
inline constexpr const char* kCgroupRoot = "/sys/fs/cgroup";

/// Kills every process of the cgroup and of those below it. Missing is fine. Throws Error.
/// source: Documentation/admin-guide/cgroup-v2.rst "cgroup.kill" (Linux 5.14)
void kill_cgroup(const std::filesystem::path& directory);

/// Waits until no process is left, then removes the cgroup and those below it. Missing is fine.
/// Throws Error{unavailable} when processes are still there after `patience`.
void remove_cgroup(const std::filesystem::path& directory, std::chrono::milliseconds patience);

/// A cgroup that is killed and removed with its owner.
class Cgroup {
 public:
  Cgroup() = default;
  /// Makes the directory (its parent exists); what an earlier process left in it is killed first.
  explicit Cgroup(std::filesystem::path directory);
  Cgroup(Cgroup&& other) noexcept : directory_(std::exchange(other.directory_, {})) {}
  Cgroup& operator=(Cgroup&& other) noexcept {
    std::swap(directory_, other.directory_);
    return *this;
  }
  ~Cgroup();

  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
  /// Kills what is left, waits for it and removes the directory. Throws Error.
  void close();

 private:
  std::filesystem::path directory_;
};

}  // namespace kiln::sandbox
