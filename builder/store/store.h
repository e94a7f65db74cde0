// Everything that survives a restart, under one root directory that one process owns.
//
//   ROOT/kiln.db           metadata (database.h)
//   ROOT/blobs/sha256/     immutable files named by their digest
//   ROOT/snapshots/ID/     one unpacked layer each, in overlayfs form
//   ROOT/snapshots/ID.*/   what its tar does not say (Store::implied_path)
//   ROOT/cache-mounts/     directories of RUN --mount=type=cache
//   ROOT/failed/           what failed steps left, for a while (ops/failed_steps.h)
//   ROOT/builds/ID/        a build's whole log
//   ROOT/file-lists/HEX    the files that records were made of (file_lists.h)
//   ROOT/tmp/              everything unfinished; emptied at start
//   ROOT/runtime/          running steps' state, cleaned by the sandbox
//   ROOT/lock              held while the store is open
//
// Invariant: a name in blobs/ or snapshots/ appears by rename, after all of its bytes are there.
// After a kill at any point the store opens and everything listed is whole; unfinished work is
// gone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "builder/os/file.h"
#include "builder/store/blob_store.h"
#include "builder/store/database.h"
#include "builder/store/reserve.h"

namespace kiln::store {

class Store {
 public:
  /// Opens or makes the store. Throws Error{unavailable} naming the owner's pid when another
  /// process has it. Leftovers are removed: tmp/, snapshot directories that no layer names. A
  /// database that cannot be read is put aside as kiln.db.damaged-TIME and begun anew; layers whose
  /// snapshot directory is missing lose it; rows written after the last sync() are dropped when the
  /// machine has booted since.
  explicit Store(const std::filesystem::path& root);
  ~Store();

  [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }
  [[nodiscard]] BlobStore& blobs() noexcept { return blobs_; }
  [[nodiscard]] Database& database() noexcept { return database_; }
  /// Free until the owner has opened all that it needs, and fills it.
  [[nodiscard]] Reserve& reserve() noexcept { return reserve_; }

  [[nodiscard]] os::TempDir make_temp(std::string_view prefix) const;
  [[nodiscard]] std::filesystem::path snapshot_path(LayerId layer) const;
  /// Where the implied directories of a stack of layers, bottom first, are put in order
  /// (snapshot/implied_directories.h). It goes with the topmost layer, or when the store is opened.
  [[nodiscard]] std::filesystem::path implied_path(std::span<const LayerId> stack) const;
  [[nodiscard]] std::filesystem::path build_path(std::string_view build_id) const;

  /// Makes everything written so far survive a power cut (one syncfs, then a mark in the database).
  /// Blocks; call before something is promised to the user. Does nothing when nothing was written
  /// since the last one, as in a fully cached build.
  void sync();

  /// What opening dropped or repaired, one sentence each, for the log.
  [[nodiscard]] const std::vector<std::string>& notes() const noexcept { return notes_; }

 private:
  std::filesystem::path root_;
  os::FileLock lock_;
  std::vector<std::string> notes_;
  Reserve reserve_;
  BlobStore blobs_;
  Database database_;
  std::mutex sync_mutex_;
  std::uint64_t synced_commits_ = 0;  ///< of blobs
};

}  // namespace kiln::store
