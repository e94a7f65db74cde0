// Listing what a source selects below a directory.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "builder/graph/pattern.h"
#include "builder/ops/selection.h"
#include "builder/os/dir.h"
#include "builder/os/fd.h"

namespace kiln::ops {

/// What is called `name` in the open directory, as the entry at `path`; nullopt when that is
/// nothing.
[[nodiscard]] std::optional<TreeEntry> stat_entry(const SourceTree& tree,
                                                  int parent_fd,
                                                  const std::string& name,
                                                  std::string path);

/// The names in the open directory, sorted. `path` is its place, for the message.
[[nodiscard]] std::vector<os::DirEntry> list_directory(const SourceTree& tree,
                                                       const os::Fd& directory,
                                                       const std::string& path);

/// Which of the entries below `top` a walk takes.
struct WalkRules {
  const SourceFilter& filter;
  const Exclusion& exclusion;
  /// Of COPY's source, relative to `top`; nullopt: everything.
  const std::optional<graph::PatternList>& include;
  const std::string& top;  ///< relative to the tree's root
};

/// Appends what is selected below the directory `top`, parents first, sorted bytewise within a
/// directory. Threads of `helpers` that have nothing else to do take part, unless the exclusion
/// wants to be told what is left out. Blocks; throws as select_source, which of several failures
/// does not depend on the threads.
void walk_tree(const SourceTree& tree,
               os::Fd top,
               const WalkRules& rules,
               boost::asio::thread_pool* helpers,
               const std::stop_token& stop,
               std::vector<TreeEntry>& entries);

}  // namespace kiln::ops
