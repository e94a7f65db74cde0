// Copies of directories in an upper directory that differ in nothing from what is below them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace kiln::snapshot {

/// Takes those of `paths` (from the root, without links) and the directories around them out of
/// `upper` that are empty there and otherwise as the layers `lowers` (bottom first) show them:
/// making a file and removing it again copies its directory up, which is no change. Nothing may be
/// mounted on `upper`. Blocks. source: Documentation/filesystems/overlayfs.rst "Non-directories",
/// "whiteouts and opaque directories"
void drop_untouched(const std::filesystem::path& upper,
                    const std::vector<std::filesystem::path>& lowers,
                    const std::vector<std::string>& paths);

}  // namespace kiln::snapshot
