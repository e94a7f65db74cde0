// gzip (RFC 1952): one member a block out, by libdeflate; any members in, by ISA-L.
#pragma once

#include <memory>

#include "builder/layer/block_pipeline.h"
#include "proto/bytes.h"

namespace kiln::layer {

/// Members without time nor system. "A gzip file consists of a series of members" (RFC 1952 2.2):
/// registries have been full of layers of many since eStargz.
[[nodiscard]] std::unique_ptr<BlockFormat> make_gzip_format();

/// Inflates all members. Zero bytes after the last one are padding; anything else, a wrong check
/// sum or an early end is Error{corrupt}.
[[nodiscard]] std::unique_ptr<Source> make_gzip_source(std::unique_ptr<Source> compressed);

}  // namespace kiln::layer
