// Opens many files of a tree one after another.
#pragma once

#include <optional>
#include <string>

#include "builder/ops/selection.h"
#include "builder/os/dir.h"
#include "builder/os/fd.h"
#include "builder/os/peer.h"

namespace kiln::ops {

/// Opens as open_entry does, at less cost for files that lie side by side: the peer's rights are
/// taken once, and a file is opened relative to its directory, which is resolved beneath the
/// tree's root when it is another than the last. While it lives, this thread has the peer's rights.
class EntryOpener {
 public:
  /// `tree` outlives it.
  explicit EntryOpener(const SourceTree& tree) : tree_(tree), as_peer_(tree.peer) {}

  /// As open_entry.
  [[nodiscard]] os::Fd open(const TreeEntry& entry);

 private:
  [[nodiscard]] std::optional<os::Fd> open_in_directory(const std::string& path);

  const SourceTree& tree_;
  os::ActAs as_peer_;
  std::string path_;  ///< of `directory_`
  std::optional<os::Dir> directory_;
};

}  // namespace kiln::ops
