// What files take on the disk, counted as du(1) does. Internal to the store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln::store {

/// Allocated bytes of a file or of a whole tree with its directories; of several names of one file
/// in the tree one is counted. Nothing is followed, no mount is entered. 0 when it is not there.
[[nodiscard]] std::uint64_t disk_bytes(const std::filesystem::path& path);

/// The same of the directory alone.
[[nodiscard]] std::uint64_t own_disk_bytes(const std::filesystem::path& path);

}  // namespace kiln::store
