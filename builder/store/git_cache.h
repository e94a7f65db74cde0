// Where copies of git repositories are: ROOT/git/ID, ID being a hash of the repository's name.
//
// A repository is used by whoever holds the lock of its directory, and may go when nobody does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "builder/os/fd.h"
#include "builder/store/store.h"

namespace kiln::store {

/// A repository's directory, locked for one user at a time. The directory's time is that of the
/// last use.
class HeldRepository {
 public:
  /// Makes the directory when it is missing; waits for whoever holds it. What a killed user left
  /// locked inside is unlocked. Blocks; throws Error.
  HeldRepository(const Store& store, std::string_view name);
  HeldRepository(HeldRepository&&) noexcept = default;
  HeldRepository& operator=(HeldRepository&&) = delete;
  ~HeldRepository();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  os::Fd directory_;  ///< with the lock
};

/// Calls `take` for every repository that nobody holds, and keeps it unused meanwhile. Blocks.
void each_unused_repository(const Store& store,
                            const std::function<void(const std::filesystem::path&)>& take);

/// Removes a repository by its directory's name, unless somebody holds it; returns the bytes that
/// it took on disk. Blocks.
std::uint64_t remove_repository(Store& store, const std::string& id);

/// How many there are.
[[nodiscard]] std::uint64_t count_repositories(const Store& store);

}  // namespace kiln::store
