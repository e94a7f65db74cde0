#include "builder/layer/block_cut.h"

#include <algorithm>
#include <isa-l/crc.h>

namespace kiln::layer {

namespace {

/// CRC-32C of a record, which the processor computes.
std::uint32_t sum_of(Bytes record) {
  // ISA-L's pointer is not const; it does not write to its input.
  auto* bytes = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(record.data()));
  return crc32_iscsi(bytes, static_cast<int>(record.size()), 0xffffffff);
}

}  // namespace

std::size_t find_cut(Bytes block, std::size_t seen, const BlockSizes& sizes) {
  // The last record that counts is the one that makes the block `min` long.
  const std::size_t first = std::max(seen / kRecordBytes * kRecordBytes, sizes.min - kRecordBytes);
  for (std::size_t at = first; at + kRecordBytes <= block.size(); at += kRecordBytes) {
    const std::size_t length = at + kRecordBytes;
    if (length >= sizes.max) return length;
    // Not zero: runs of zero bytes are common, and their sum must not cut at each record.
    if ((sum_of(block.subspan(at, kRecordBytes)) & (sizes.spread - 1)) == 1) return length;
  }
  return 0;
}

}  // namespace kiln::layer
