// Copies what a source selected into a destination, as COPY does.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "builder/ops/destination.h"
#include "builder/ops/file_mode.h"
#include "builder/ops/selection.h"

namespace kiln::ops {

struct CopyOptions {
  std::optional<OwnerIds> owner;  ///< of everything copied and made; nullopt: as `keep_owner` says
  bool keep_owner = false;  ///< the source's owners (another stage) instead of 0:0 (a context)
  std::optional<ModeChange> mode;
  bool unpack_archives = false;
  bool follow_links = true;  ///< of the destination; false: what is in the way is replaced (--link)
  /// Paths (relative to a directory that is the source, else the file's name) that are left out;
  /// null: none.
  std::function<bool(std::string_view path)> excludes;
};

/// Copies one selected source to `destination` (absolute; a trailing '/' means into that directory,
/// as does an existing directory). A directory's contents go into the destination; a file replaces
/// what is there. Files keep times, modes, xattrs and hard links among themselves. Blocks. source:
/// docs.docker.com "Dockerfile reference: COPY"; existing directories take the copied ones'
/// metadata, a link where a directory is copied is an error, as in BuildKit
void copy_tree(const SourceTree& tree,
               const SelectedSource& source,
               Destination& destination,
               const std::string& path,
               const CopyOptions& options,
               std::stop_token stop);

}  // namespace kiln::ops
