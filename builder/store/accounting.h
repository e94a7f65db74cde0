// How much the store takes, told cheaply and often: sizes of what never changes are remembered, so
// that nothing is walked twice. disk_usage (gc.h) walks everything.
//
// Thread: any, one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "builder/store/gc.h"
#include "builder/store/store.h"

namespace kiln::store {

/// The sizes on disk of a directory's entries.
class DirectoryBook {
 public:
  /// Entries that `counts` refuses are not looked at.
  DirectoryBook(std::filesystem::path directory,
                std::function<bool(const std::string&)> counts = nullptr);

  struct Entry {
    std::uint64_t disk_bytes = 0;
    bool changing = false;  ///< when it was measured: then it is measured again
  };

  /// Measures entries that are new, that `is_changing` says to change, or that it said so of when
  /// they were measured last. A directory that does not exist has none.
  void refresh(const std::function<bool(const std::string&)>& is_changing);

  /// Forgets all; the next refresh measures anew.
  void clear();

  [[nodiscard]] const std::map<std::string, Entry>& entries() const noexcept { return entries_; }
  /// With the directory itself.
  [[nodiscard]] std::uint64_t sum() const;

 private:
  [[nodiscard]] bool is_listed();

  std::filesystem::path directory_;
  std::function<bool(const std::string&)> counts_;
  std::map<std::string, Entry> entries_;
  std::int64_t listed_mtime_ns_ = 0;
  std::uint64_t own_bytes_ = 0;
};

/// What is in a root, but tmp/: the unfinished work there is in use.
struct Sizes {
  std::uint64_t snapshots = 0;
  std::uint64_t blobs = 0;
  std::uint64_t cache_mounts = 0;
  std::uint64_t repositories = 0;
  std::uint64_t builds = 0;
  std::uint64_t failed_steps = 0;
  std::uint64_t rest = 0;  ///< the database, mostly

  [[nodiscard]] std::uint64_t sum() const {
    return snapshots + blobs + cache_mounts + repositories + builds + failed_steps + rest;
  }
};

class Accountant {
 public:
  explicit Accountant(Store& store);

  /// Costs a query, and a list of each directory that has got or lost a name. `mounts_in_use`:
  /// cache mounts by directory name. Blocks.
  Sizes measure(const std::set<std::string>& mounts_in_use);

  /// Gives back the memory of what was measured, which grows with the store.
  void rest();

  /// What was measured last and may go by itself: idle cache mounts, finished builds, repositories.
  [[nodiscard]] std::vector<Disposable> disposables() const;

 private:
  Store& store_;
  DirectoryBook implied_;
  DirectoryBook blobs_;
  DirectoryBook cache_mounts_;
  DirectoryBook repositories_;
  DirectoryBook builds_;
  DirectoryBook failed_steps_;
  DirectoryBook file_lists_;
  std::set<std::string> running_builds_;
  std::set<std::string> mounts_in_use_;
  std::int64_t repositories_measured_ns_ = 0;
};

}  // namespace kiln::store
