// Sources of ADD that are on the network: files of web servers, and git repositories.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/stage_builder.h"

namespace kiln::dockerfile {

struct RemoteSource {
  graph::SourceOp op;
  std::string path;            ///< what of it is copied, as a CopyAction has it
  bool is_repository = false;  ///< else a file, which --unpack may unpack
};

/// What the expanded `source` is on the network; nullopt when it is a path. Throws Mistake for a
/// COPY, and for flags that do not fit. `checksum`: the flag's expanded value.
/// source: BuildKit's dockerfile2llb, dispatchCopy.
[[nodiscard]] std::optional<RemoteSource> remote_source(StageBuilder& builder,
                                                        const Copy& copy,
                                                        const std::string& source,
                                                        const std::string& checksum,
                                                        std::size_t offset);

/// Throws Mistake for a checksum of anything but exactly one source, which is on the network.
void check_checksum(const Instruction& instruction, std::size_t sources, bool is_remote);

}  // namespace kiln::dockerfile
