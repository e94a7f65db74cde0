// Zstandard (RFC 8878): one frame a block out, any frames in.
#pragma once

#include <memory>

#include "builder/layer/block_pipeline.h"
#include "proto/bytes.h"

namespace kiln::layer {

/// Level 3, each frame with its content size and check sum.
[[nodiscard]] std::unique_ptr<BlockFormat> make_zstd_format();

/// Reads all frames, skippable ones too; damage or an early end is Error{corrupt}. A frame may
/// ask for a window of 128 MiB, zstd's own limit.
[[nodiscard]] std::unique_ptr<Source> make_zstd_source(std::unique_ptr<Source> compressed);

}  // namespace kiln::layer
