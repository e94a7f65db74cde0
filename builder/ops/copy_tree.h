// Copies what a source selected into a destination, as COPY does.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "builder/graph/file_mode.h"
#include "builder/ops/copied_files.h"
#include "builder/ops/destination.h"
#include "builder/ops/packed_files.h"
#include "builder/ops/selection.h"

namespace kiln::ops {

struct CopyOptions {
  std::optional<OwnerIds> owner;  ///< of everything copied and made; nullopt: as `keep_owner` says
  bool keep_owner = false;  ///< the source's owners (another stage) instead of 0:0 (a context)
  std::optional<graph::ModeChange> mode;
  std::uint32_t made_directory_mode = 0755;
  bool unpack_archives = false;
  std::optional<std::int64_t> time;  ///< seconds; of everything copied, instead of its own
  CopyJournal* journal = nullptr;    ///< follows the copy, outlives it; may be missing
  /// Takes the regular files, as far as they can wait, in place of the destination; may be missing.
  /// The tree and the source that are copied outlive it.
  PackedFiles* packed = nullptr;
};

/// Copies one selected source to `destination` (absolute; a trailing '/' means into that directory,
/// as does an existing directory). A directory's contents go into the destination; a file replaces
/// what is there, but a directory is an error. Directories below the destination take the copied
/// ones' metadata; one that was selected only for what is below it gives an existing one its mode.
/// Files keep times, modes, xattrs and hard links among themselves; a socket becomes an empty file.
/// Blocks. source: tonistiigi/fsutil copy/copy.go
void copy_tree(const SourceTree& tree,
               const SelectedSource& source,
               Destination& destination,
               const std::string& path,
               const CopyOptions& options,
               std::stop_token stop);

}  // namespace kiln::ops
