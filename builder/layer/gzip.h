// gzip (RFC 1952) by ISA-L: one member of independent deflate blocks out, any members in.
#pragma once

#include <memory>

#include "builder/layer/block_pipeline.h"
#include "proto/bytes.h"

namespace kiln::layer {

/// One member, mtime 0, OS 255; blocks end byte-aligned by a full flush.
[[nodiscard]] std::unique_ptr<BlockFormat> make_gzip_format();

/// Inflates all members. Zero bytes after the last one are padding; anything else, a wrong check
/// sum or an early end is Error{corrupt}.
[[nodiscard]] std::unique_ptr<Source> make_gzip_source(std::unique_ptr<Source> compressed);

}  // namespace kiln::layer
