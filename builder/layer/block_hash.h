// Names for blocks that are quick to compute and that nobody can forge.
//
// GMAC (NIST SP 800-38D) is a universal hash: two blocks have the same one with a chance below
// 2^-100 for whoever does not know the key, and neither the key nor a hash ever leaves the store.
// It runs at several times the speed of SHA-256.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "proto/bytes.h"

namespace kiln::layer {

using BlockKey = std::array<std::uint8_t, 16>;
using BlockHash = std::array<std::uint8_t, 16>;

/// From the system's randomness.
[[nodiscard]] BlockKey make_block_key();

/// Hashes of one key are comparable. For one thread at a time.
class BlockHasher {
 public:
  explicit BlockHasher(const BlockKey& key);
  /// Of a block before its compression.
  [[nodiscard]] BlockHash operator()(Bytes block);

 private:
  struct Free {
    void operator()(void* context) const noexcept;
  };
  std::unique_ptr<void, Free> context_;
};

}  // namespace kiln::layer
