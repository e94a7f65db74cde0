// Where a blob's blocks lie in it, so that the next blob of similar content need not compress them
// again.
//
// A table is a hint about one blob file: what is taken by it is checked, and what does not match is
// compressed instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "builder/layer/block_hash.h"
#include "builder/os/fd.h"
#include "proto/bytes.h"

namespace kiln::layer {

/// The compressed form of a block.
struct BlockPlace {
  BlockHash hash{};
  std::uint64_t offset = 0;  ///< in the blob, bytes
  std::uint32_t size = 0;    ///< bytes
  std::uint64_t check = 0;   ///< CRC-64 of those bytes: a disk may have damaged them
};

/// The blocks of one blob, in its order.
class BlockTable {
 public:
  /// With a key of its own, or one that makes its hashes comparable with another table's.
  explicit BlockTable(const BlockKey& key = make_block_key()) : key_(key) {}

  [[nodiscard]] const BlockKey& key() const noexcept { return key_; }
  void add(const BlockHash& hash, std::uint64_t offset, Bytes compressed);
  [[nodiscard]] const std::vector<BlockPlace>& places() const noexcept { return places_; }

  /// One version byte and the key, then 36 bytes a block: hash, offset, size, check; little-endian.
  [[nodiscard]] std::string encode() const;
  /// nullopt for what encode() of this version did not make.
  [[nodiscard]] static std::optional<BlockTable> decode(std::string_view bytes);

 private:
  BlockKey key_;
  std::vector<BlockPlace> places_;
};

/// A blob whose blocks may be taken. Thread-safe.
class EarlierBlob {
 public:
  EarlierBlob(os::Fd blob, const BlockTable& table);

  /// Of the hashes by which it knows its blocks.
  [[nodiscard]] const BlockKey& key() const noexcept { return key_; }

  /// Reads the compressed form of the block into `out`, which is large enough for any, and returns
  /// its length; 0 when the blob has no such block, or no longer as it was written.
  [[nodiscard]] std::size_t read(const BlockHash& hash, MutableBytes out) const;

 private:
  struct TakeFirst {
    std::size_t operator()(const BlockHash& hash) const noexcept;
  };
  os::Fd blob_;
  BlockKey key_;
  std::unordered_map<BlockHash, BlockPlace, TakeFirst> places_;
};

/// What a compressor may take, and what it tells; neither needs to be there.
struct BlockReuse {
  const EarlierBlob* earlier = nullptr;  ///< of the same compression
  BlockTable* table = nullptr;  ///< gets the blocks that are written; has the key of `earlier`
};

}  // namespace kiln::layer
