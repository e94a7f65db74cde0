// Layer compression: bytes depend on the input only, never on the number of threads, nor on which
// processor of an architecture it is.
#pragma once

#include <memory>
#include <string_view>

#include "builder/layer/block_table.h"
#include "proto/bytes.h"
#include "proto/digest.h"

namespace kiln::layer {

enum class Compression { none = 0, gzip = 1, zstd = 2 };

/// A sink that compresses into `next`. Input is cut into blocks where its content says so
/// (block_cut.h); they are compressed side by side by `threads` threads and written in order, at
/// most 4 x threads in memory. finish() ends the stream and finishes `next`. gzip: one member a
/// block (RFC 1952 2.2), zstd: one frame a block (RFC 8878 "multiple frames"). `reuse` does not
/// change the bytes; without compression there are no blocks. `input`, if there is one, hashes what
/// is written to the sink, by its threads too: it is complete when finish() returns.
[[nodiscard]] std::unique_ptr<Sink> make_compressor(Compression compression,
                                                    Sink& next,
                                                    int threads,
                                                    BlockReuse reuse = {},
                                                    Sha256* input = nullptr);

/// Looks at the first bytes and gives the uncompressed stream: gzip (several members too), zstd
/// (several frames too), xz and bzip2 where `archives` allows them, or the bytes as they are. Owns
/// `compressed`. Throws Error{corrupt} for a stream that is damaged or ends too early.
[[nodiscard]] std::unique_ptr<Source> make_decompressor(std::unique_ptr<Source> compressed,
                                                        bool archives);

/// Whether a stream that begins so is one that make_decompressor uncompresses for archives.
[[nodiscard]] bool is_compressed(std::string_view head);

/// The OCI media type of a layer so compressed.
[[nodiscard]] std::string_view layer_media_type(Compression compression);

}  // namespace kiln::layer
