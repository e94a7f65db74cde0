// What opening a store mends. Internal to the store.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "builder/store/store.h"

namespace kiln::store {

/// The database of `root`; one that is damaged is put aside first, with all that only it could
/// explain: the snapshots. Blobs explain themselves and stay.
[[nodiscard]] Database open_sound_database(const std::filesystem::path& root,
                                           std::vector<std::string>& notes);

/// Brings directories, blobs and rows in line after whatever ended the last owner, and says in
/// `notes` what was lost.
void repair(Store& store, std::vector<std::string>& notes);

}  // namespace kiln::store
