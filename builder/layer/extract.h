// The loop that turns the entries of a tar into files.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>

#include "builder/layer/tar_reader.h"
#include "builder/layer/tree_writer.h"

namespace kiln::layer {

struct ExtractOptions {
  bool whiteouts = false;  ///< ".wh." names are deletions, not files
  bool root = false;       ///< an entry for the root sets its attributes, as it does in a layer
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
};

/// Extracts all entries and finishes `tree`; returns the sum of the file sizes. Throws
/// Error{corrupt} naming the entry; Error{cancelled}.
std::uint64_t extract(TarReader& tar,
                      TreeWriter& tree,
                      const ExtractOptions& options,
                      const std::stop_token& stop);

}  // namespace kiln::layer
