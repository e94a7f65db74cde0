// A built root file system → a directory of the client.
#pragma once

#include <filesystem>
#include <stop_token>

#include "builder/os/dir.h"
#include "builder/os/peer.h"

namespace kiln::image {

/// Copies the tree at `root` (a mounted root file system) into the client's directory, with the
/// client's rights: files belong to the client, or keep their owners when the client is root.
/// Existing files and links are replaced, never written into; other files stay; nothing is written
/// outside `target`, whatever links the tree or the target contains. Modes, times, hard links and
/// holes are kept; `target` itself and directories in it that belong to others keep theirs. Device
/// files, set-id bits and other extended attributes than user.* only for root: they would mean the
/// client instead of their owner. Sockets are left out. Blocks.
/// throws  Error{denied} naming what the client may not write; Error{invalid_input} for a directory
///         with content where the tree has a file; Error{cancelled}
void write_local(const std::filesystem::path& root,
                 const os::Dir& target,
                 const os::Peer& peer,
                 std::stop_token stop);

}  // namespace kiln::image
