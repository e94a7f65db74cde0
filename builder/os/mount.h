// Mounts by the new mount API (fsopen, fsconfig, fsmount, move_mount), undone by their owner.
//
// The daemon mounts in a private namespace of its own: nothing it mounts is visible outside, and
// the kernel undoes all of it when the last process of the namespace ends, however that happens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

namespace kiln::os {

/// A mounted directory; the destructor detaches it (MNT_DETACH) and never throws.
class Mount {
 public:
  Mount() = default;
  explicit Mount(std::filesystem::path target) : target_(std::move(target)) {}
  Mount(Mount&& other) noexcept : target_(std::exchange(other.target_, {})) {}
  Mount& operator=(Mount&& other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~Mount();

  /// Unmounts now; throws Error when the kernel refuses (EBUSY: something inside is still open).
  void unmount();
  [[nodiscard]] const std::filesystem::path& target() const noexcept { return target_; }

 private:
  std::filesystem::path target_;
};

/// One overlay: `lowers` from the bottom up, at least one; `upper` and `work` on one file system,
/// or both empty for a read-only view (which needs two lowers or is a read-only bind mount of the
/// one).
struct OverlaySpec {
  std::vector<std::filesystem::path> lowers;
  std::filesystem::path upper;
  std::filesystem::path work;
};

/// How many lower directories the kernel stacks. source: OVL_MAX_STACK of fs/overlayfs/params.h
inline constexpr std::size_t kMaxOverlayLayers = 500;

/// Mounts an overlay at the existing directory `target`, with index, redirect_dir and metacopy off,
/// so that the upper directory alone is the difference. Throws Error{invalid_input} for more
/// than kMaxOverlayLayers.
/// source: Documentation/filesystems/overlayfs.rst ("lowerdir+" since Linux 6.5; older kernels are
/// served by mount_overlay_by_options)
[[nodiscard]] Mount mount_overlay(const OverlaySpec& spec, const std::filesystem::path& target);

/// The same by mount(2), with one string of options: at most about 220 lowers.
[[nodiscard]] Mount mount_overlay_by_options(const OverlaySpec& spec,
                                             const std::filesystem::path& target);

[[nodiscard]] Mount mount_bind(const std::filesystem::path& source,
                               const std::filesystem::path& target,
                               bool read_only);

/// Mounts at the directory what is in memory alone, mode 0700, at most `size_bytes`; never swapped
/// out, where the kernel can have it so (Linux 6.4).
[[nodiscard]] Mount mount_memory(const std::filesystem::path& target, std::uint64_t size_bytes);

/// Moves this process into a mount namespace of its own, from which nothing propagates out. Call
/// before any thread is started.
void enter_private_mount_namespace();

/// Shows cgroup v2 alone at /sys/fs/cgroup, where the host has the hybrid layout that runtimes
/// refuse. Only in a private mount namespace. False when the host's layout is already the unified
/// one.
bool unify_cgroup_layout();

}  // namespace kiln::os
