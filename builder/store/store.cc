#include "builder/store/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "builder/store/repair.h"
#include "proto/error.h"

namespace kiln::store {

namespace {

namespace fs = std::filesystem;

void make_directory(const fs::path& path, mode_t mode) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    throw system_error(errno, "make directory " + path.string());
  }
}

/// Makes the root and takes its lock.
os::FileLock own(const fs::path& root) {
  make_directory(root, 0711);
  const fs::path file = root / "lock";
  if (auto lock = os::FileLock::try_acquire(file)) return std::move(*lock);
  std::string owner = os::read_file(file, 64);
  while (!owner.empty() && owner.back() == '\n')
    owner.pop_back();
  throw Error(Errc::unavailable, "{}: in use by {}; stop it, or give this one another --root",
              root.string(), owner.empty() ? "another process" : "process " + owner);
}

/// Only root may look inside the trees of images: they hold set-user-ID programs.
void make_layout(const fs::path& root) {
  for (const char* name : {"snapshots", "tmp", "builds", "cache-mounts"})
    make_directory(root / name, 0700);
  os::spread_subdirectories(root / "tmp");  // where every tree is made, snapshots too
  make_directory(root / "blobs", 0755);
  make_directory(root / "blobs" / "sha256", 0755);
  const fs::path layout = root / "oci-layout";
  std::error_code error;
  if (fs::file_size(layout, error) > 0 && !error) return;
  os::write_file(layout, R"({"imageLayoutVersion":"1.0.0"})");
}

/// All that has been written to the file system of `path` is on the disk when it returns.
void sync_file_system(const fs::path& path) {
  const os::Fd fd = os::open_file(path, O_RDONLY | O_DIRECTORY);
  if (::syncfs(fd.get()) != 0) throw system_error(errno, "sync " + path.string());
}

}  // namespace

Store::Store(const fs::path& root)
    : root_(fs::weakly_canonical(fs::absolute(root))),
      lock_(own(root_)),
      reserve_(root_),
      blobs_((make_layout(root_), root_)),
      database_(open_sound_database(root_, notes_)) {
  repair(*this, notes_);
}

Store::~Store() {
  reserve_.release();  // until the database is closed
  try {
    sync();
    database_.run_blocking([](Tables& tables) { tables.set_meta("clean", "1"); });
  } catch (const std::exception&) {
    return;  // the next opening finds no clean mark, and looks closer
  }
}

os::TempDir Store::make_temp(std::string_view prefix) const {
  return {root_ / "tmp", prefix};
}

fs::path Store::snapshot_path(LayerId layer) const {
  return root_ / "snapshots" / std::to_string(static_cast<std::int64_t>(layer));
}

fs::path Store::implied_path(std::span<const LayerId> stack) const {
  std::string ids;
  for (const LayerId layer : stack)
    ids += fmt::format("{} ", static_cast<std::int64_t>(layer));
  fs::path path = snapshot_path(stack.back());
  path += fmt::format(".{}", sha256(ids).hex());
  return path;
}

fs::path Store::build_path(std::string_view build_id) const {
  return root_ / "builds" / build_id;
}

void Store::sync() {
  const std::scoped_lock one_at_a_time(sync_mutex_);
  const std::uint64_t commits = blobs_.count_commits();
  const auto generation =
      database_.run_blocking([&](Tables& tables) -> std::optional<std::int64_t> {
        if (commits == synced_commits_ && !tables.has_unsynced()) return std::nullopt;
        return tables.advance_generation();
      });
  if (!generation) return;
  const std::int64_t now = os::now_ns();
  sync_file_system(root_);
  database_.run_blocking([&](Tables& tables) { tables.set_synced(*generation, now); });
  // The mark itself must last too, or opening would drop what it vouches for. SQLite does not sync
  // its log at a commit (synchronous=NORMAL).
  const os::Fd log = os::open_file(root_ / "kiln.db-wal", O_RDONLY);
  if (::fdatasync(log.get()) != 0) throw system_error(errno, "sync the store's database");
  synced_commits_ = commits;
}

}  // namespace kiln::store
