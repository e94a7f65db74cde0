// Which files a COPY or ADD source names in a tree, with what is known of each without reading it.
//
// The tree may be a client's directory (read with the client's rights) or a mounted root file
// system. Links in a source's own path are followed inside the tree; links below it are entries
// like any other.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "builder/graph/pattern.h"
#include "builder/ops/xattrs.h"
#include "builder/os/dir.h"
#include "builder/os/peer.h"
#include "proto/digest.h"

namespace boost::asio {
class thread_pool;
}

namespace kiln::ops {

/// A tree to copy from. What it refers to outlives it.
struct SourceTree {
  const os::Dir* root = nullptr;
  os::Peer peer;     ///< whose rights are used to list and open
  std::string what;  ///< "the build context", "stage build", for messages
};

struct TreeEntry {
  std::string path;           ///< relative to the tree's root, without links; "" is the root itself
  struct stat status{};       ///< of the entry itself, not of what a link points to
  std::string link_target;    ///< of a symbolic link
  std::vector<Xattr> xattrs;  ///< of a directory below the top; a file's are read with its bytes
  std::optional<Digest> digest{};  ///< of a regular file's bytes and xattrs, once it is known
  /// The file may change, or has, without showing it: a copy of it is compared with the digest.
  bool may_differ = false;
  bool is_passage = false;  ///< a directory that was not selected itself, but something below it
};

/// One file or directory that a source names.
struct SelectedSource {
  std::string text;                ///< the source as written, "src/*.py"
  std::string name;                ///< what the copy is called when it goes into a directory
  std::vector<TreeEntry> entries;  ///< the file itself, or the directory and all below it, parents
                                   ///< first, sorted bytewise within a directory
};

/// Says whether a path (relative to the tree's root) is left out; a directory that is left out may
/// still be walked for re-included entries below it (`subtree` asks whether it can be skipped
/// whole).
struct Exclusion {
  std::function<bool(std::string_view path)> excludes;
  std::function<bool(std::string_view path)> excludes_subtree;
  /// Told of each path that a walk leaves out; `whole`: a directory below which it did not look.
  std::function<void(std::string_view path, bool is_directory, bool whole)> left_out{};
};

/// What a COPY takes of its sources.
struct SourceFilter {
  /// Relative to each source that is a directory; a file that the source names is never left out.
  graph::PatternList exclude;
  /// Sources are "PLACE/./PATTERN": of the directories that PLACE names, what PATTERN matches.
  bool keep_parents = false;
  bool is_literal = false;  ///< sources are paths: nothing in them is a wildcard
};

/// What `source` (a path or glob; "" or "." is everything) names. A path that does not exist, or
/// that is excluded from the tree, throws Error{not_found} naming it and what is called alike; a
/// glob without matches gives nothing. Links are followed up to the first component with a
/// wildcard, and at the end. Error{denied} names what the peer may not read. Blocks; idle threads
/// of `helpers` take part, who then call the exclusion's functions too (walk_tree). source:
/// tonistiigi/fsutil copy.ResolveWildcards
[[nodiscard]] std::vector<SelectedSource> select_source(
    const SourceTree& tree,
    const std::string& source,
    const SourceFilter& filter,
    const Exclusion& exclusion,
    std::stop_token stop,
    boost::asio::thread_pool* helpers = nullptr);

/// Opens a regular file of the tree with the peer's rights; throws Error{unavailable} when it is no
/// longer the version that `entry` describes.
[[nodiscard]] os::Fd open_entry(const SourceTree& tree, const TreeEntry& entry);

/// Throws Error{unavailable}: the file changed while the build was reading it.
[[noreturn]] void fail_changed(const TreeEntry& entry);

/// Throws that when the open file changed since `entry` was listed.
void check_unchanged(int fd, const TreeEntry& entry);

}  // namespace kiln::ops
