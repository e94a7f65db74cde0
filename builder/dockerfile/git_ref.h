// Git repositories as users write them: URLs and scp-like places, with a fragment "#ref:subdir" or
// a query. source: BuildKit's frontend/dockerfile/dfgitutil, util/gitutil and util/sshutil.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "builder/graph/op.h"

namespace kiln::dockerfile {

struct GitRef {
  std::string remote;    ///< as git takes it, without fragment and query
  std::string ref;       ///< branch, tag, commit or "refs/..."; "" is the default branch
  std::string checksum;  ///< a commit or its beginning
  std::string subdir;
  /// "github.com/...": a build context may be written so; elsewhere it is a path.
  bool looks_local = false;
  std::optional<bool> keep_git_dir;
  std::optional<bool> submodules;
  bool commit_times = false;  ///< mtime=commit
  bool fetch_by_commit = false;
};

/// What `text` means as a repository; nullopt when it is none. An http(s) URL is one only when its
/// path ends in ".git". Throws Mistake for a repository whose query or fragment makes no sense.
[[nodiscard]] std::optional<GitRef> parse_git_ref(std::string_view text);

/// The same for the graph.
[[nodiscard]] graph::GitSource source_of(GitRef git);

}  // namespace kiln::dockerfile
