// Running a COPY again: on top of what it gave before, so that only what changed is written.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "builder/graph/graph.h"
#include "builder/ops/copied_files.h"
#include "builder/ops/file.h"

namespace kiln::ops {

/// The earlier result that a copy may work on.
struct EarlierCopy {
  store::LayerId layer{};  ///< its snapshot is whole
  store::LayerId newest{};
  CopiedFiles files;
};

/// The name under which results of this operation are kept: of a single copy of many files from a
/// client's directory on these layers. nullopt for what is quick anyway, or does not only depend on
/// what a list of files says. Names of owners are resolved in the layers, so those count.
[[nodiscard]] std::optional<std::string> repeatable_copy(const graph::Vertex& vertex,
                                                         const std::vector<FileInput>& inputs);

/// The one action of a file operation, where that is a copy; else nullptr.
[[nodiscard]] const graph::CopyAction* only_copy(const graph::Vertex& vertex);

/// The layer that the operation made last, in whatever form; none where that is not known.
boost::asio::awaitable<store::LayerId> find_newest_copy(std::string instruction,
                                                        Workshop& workshop);
/// Keeps that, where no list of its files was made.
boost::asio::awaitable<void> keep_newest_copy(std::string instruction,
                                              store::LayerId layer,
                                              Workshop& workshop);

/// The earlier result, if it is all there.
boost::asio::awaitable<std::optional<EarlierCopy>> find_earlier_copy(std::string instruction,
                                                                     Workshop& workshop);

/// Keeps the new result for the next run. `made`: what it was made on.
boost::asio::awaitable<void> keep_copy(std::string instruction,
                                       store::LayerId layer,
                                       const std::optional<EarlierCopy>& made,
                                       const CopyJournal& journal,
                                       Workshop& workshop);

}  // namespace kiln::ops
