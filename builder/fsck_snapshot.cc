#include "builder/fsck_snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "builder/layer/apply_layer.h"
#include "builder/layer/write_layer.h"
#include "builder/os/dir.h"
#include "builder/snapshot/workspace.h"
#include "proto/error.h"

namespace kiln {

namespace {

namespace fs = std::filesystem;
using Means = SnapshotVerdict::Means;

std::int64_t ns_of(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// Looks for a regular file that was written after the layer was made.
class LateWrite {
 public:
  explicit LateWrite(std::int64_t made_ns) : made_ns_(made_ns), now_ns_(os::now_ns()) {}

  void look(int directory_fd, const std::string& path) {
    for (const os::DirEntry& entry : os::read_entries(directory_fd)) {
      if (found_) return;
      struct stat status{};
      if (::fstatat(directory_fd, entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        throw system_error(errno, "stat " + path + entry.name);
      if (S_ISREG(status.st_mode) && is_late(status)) found_ = path + entry.name;
      if (!S_ISDIR(status.st_mode)) continue;
      const os::Fd inner(::openat(directory_fd, entry.name.c_str(),
                                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!inner) throw system_error(errno, "open " + path + entry.name);
      look(inner.get(), path + entry.name + "/");
    }
  }
  [[nodiscard]] const std::optional<std::string>& found() const { return found_; }

 private:
  /// A link of a later layer changes the ctime alone; a time in the future was the image's wish.
  [[nodiscard]] bool is_late(const struct stat& status) const {
    constexpr std::int64_t kSlack = 2'000'000'000;
    const std::int64_t written = ns_of(status.st_mtim);
    return written > made_ns_ + kSlack && written <= now_ns_ &&
           ns_of(status.st_ctim) > made_ns_ + kSlack;
  }

  std::int64_t made_ns_;
  std::int64_t now_ns_;
  std::optional<std::string> found_;
};

/// What the layer's blob gives when it is unpacked, as the diff id of our own tar of it.
DiffId digest_of_blob(store::Store& store, const Digest& blob, std::stop_token stop) {
  const os::TempDir scratch = store.make_temp("fsck");
  const fs::path tree = scratch.path() / "tree";
  if (::mkdir(tree.c_str(), 0755) != 0 || ::chmod(tree.c_str(), 0755) != 0)
    throw system_error(errno, "make directory " + tree.string());
  layer::WriteOptions options;
  options.implied = layer::apply_layer(store.blobs().open(blob), os::Dir::open(tree), stop).implied;
  return layer::tar_digest(tree, options, std::move(stop));
}

/// A snapshot that is a difference from another's is the layer only when it is mounted above that.
DiffId digest_of_layer(store::Store& store,
                       const store::LayerRow& row,
                       const layer::WriteOptions& options,
                       const std::stop_token& stop) {
  const fs::path path = store.snapshot_path(row.id);
  if (row.delta_of == store::LayerId{}) return layer::tar_digest(path, options, stop);
  const snapshot::View view(store.make_temp("view"), {store.snapshot_path(row.delta_of), path});
  return layer::tar_digest(view.root(), options, stop);
}

SnapshotVerdict judge(store::Store& store,
                      const SnapshotFacts& facts,
                      const std::stop_token& stop) {
  const fs::path path = store.snapshot_path(facts.layer.id);
  layer::WriteOptions options;
  options.implied = facts.implied;
  const DiffId now = digest_of_layer(store, facts.layer, options, stop);
  if (now == facts.layer.diff_id) return {Means::tar, std::nullopt};
  if (facts.layer.diff_id && facts.has_sound_blob) {
    if (now == digest_of_blob(store, *facts.layer.blob, stop)) return {Means::blob, std::nullopt};
    return {Means::blob,
            fmt::format("its content is not that of the layer's blob {}", facts.layer.blob->str())};
  }
  LateWrite late(facts.layer.created_ns);
  late.look(os::Dir::open(path).fd(), "");
  if (!late.found()) return {Means::times, std::nullopt};
  return {Means::times, fmt::format("{} was written after the layer was made", *late.found())};
}

}  // namespace

SnapshotVerdict judge_snapshot(store::Store& store,
                               const SnapshotFacts& facts,
                               std::stop_token stop) {
  try {
    return judge(store, facts, stop);
  } catch (const Error& error) {
    if (error.code() == Errc::cancelled) throw;
    return {Means::tar, fmt::format("it cannot be read: {}", error.what())};
  }
}

}  // namespace kiln
