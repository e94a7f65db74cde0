// What opening a store mends. Internal to the store.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "builder/store/store.h"

namespace kiln::store {

/// The database of `root`; one that is damaged is put aside first, with all that only it could
/// explain: the snapshots. Blobs explain themselves and stay.
[[nodiscard]] Database open_sound_database(const std::filesystem::path& root,
                                           std::vector<std::string>& notes);

/// An image is whole when its documents are sound and its layers are here, or are `restorable`.
/// Blocks.
[[nodiscard]] bool is_whole(const BlobStore& blobs,
                            const std::set<Digest>& restorable,
                            const Digest& manifest,
                            std::string_view media_type);

/// Brings directories, blobs and rows in line after whatever ended the last owner, and says in
/// `notes` what was lost.
void repair(Store& store, std::vector<std::string>& notes);

}  // namespace kiln::store
