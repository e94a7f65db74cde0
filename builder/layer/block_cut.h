// Where a stream is cut into blocks: a function of the content near the cut, never of the offset.
//
// So equal content gives equal blocks on every machine, and a change disturbs the blocks around it
// only: behind it the cuts fall on the same bytes as before, however much was put in or taken out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proto/bytes.h"

namespace kiln::layer {

/// How long blocks are, in bytes; all are multiples of kRecordBytes.
struct BlockSizes {
  std::size_t min = 0;
  std::size_t max = 0;
  /// Beyond `min` a block ends after a record with a chance of 1 in `spread`, a power of two: it is
  /// `min` + `spread` records long on average.
  std::uint32_t spread = 1;
};

/// Tar's unit: entries begin and end with one, so what a change moves is moved by whole ones.
inline constexpr std::size_t kRecordBytes = 512;

/// `block` are the bytes of a block so far, of which `seen` bytes were looked at before; it began
/// at a multiple of kRecordBytes of the stream. Returns its length when it ends within them, else
/// 0.
[[nodiscard]] std::size_t find_cut(Bytes block, std::size_t seen, const BlockSizes& sizes);

}  // namespace kiln::layer
