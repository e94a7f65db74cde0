// Compresses a stream block by block on several threads; the blocks come out in order.
//
// Invariant: blocks are cut by their content (block_cut.h) and compressed independently, so the
// output does not depend on the number of threads, and a block that an earlier blob has already is
// taken from there instead of being compressed again: the bytes are the same. The next sink is
// called by the writing thread only.
// The input's digest is computed by the same threads, one of them at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "builder/layer/block_cut.h"
#include "builder/layer/block_table.h"
#include "proto/bytes.h"
#include "proto/digest.h"

namespace kiln::layer {

/// Compresses blocks, one after the other; each thread has its own.
class BlockCompressor {
 public:
  virtual ~BlockCompressor() = default;

  /// Compresses one block to something that an inflater takes wherever it stands between others.
  /// `out` is at least BlockFormat::bound_bytes() long. Returns the length.
  virtual std::size_t compress(Bytes block, MutableBytes out) = 0;
};

/// What a stream of compressed blocks consists of.
class BlockFormat {
 public:
  virtual ~BlockFormat() = default;

  [[nodiscard]] virtual BlockSizes sizes() const = 0;
  /// The most that a block can become.
  [[nodiscard]] virtual std::size_t bound_bytes() const = 0;
  [[nodiscard]] virtual std::unique_ptr<BlockCompressor> make_compressor() const = 0;
};

class BlockPipeline final : public Sink {
 public:
  /// `next`, what `reuse` refers to and `input`, which hashes what is written, outlive the
  /// pipeline. 4 x threads blocks are in memory at most.
  BlockPipeline(std::unique_ptr<BlockFormat> format,
                Sink& next,
                int threads,
                BlockReuse reuse,
                Sha256* input);
  BlockPipeline(const BlockPipeline&) = delete;
  BlockPipeline& operator=(const BlockPipeline&) = delete;
  ~BlockPipeline() override;

  void write(Bytes bytes) override;
  /// An empty stream is one empty block: no block at all would be no stream of the format.
  void finish() override;

 private:
  struct Slot {
    std::vector<std::byte> in;
    std::size_t in_bytes = 0;
    std::vector<std::byte> out;
    std::size_t out_bytes = 0;
    BlockHash hash{};
    std::exception_ptr error;
    bool done = false;
  };

  /// What each thread has of its own; made when it is needed.
  struct Tools {
    std::unique_ptr<BlockCompressor> compressor;
    std::optional<BlockHasher> hasher;
  };

  Slot& slot(std::uint64_t block) { return slots_[block % slots_.size()]; }
  void work();
  /// With mutex_ held: whether a block waits to be hashed, and no thread does that.
  [[nodiscard]] bool can_hash() const noexcept {
    return input_ != nullptr && !hashing_ && hashed_ < submitted_;
  }
  void hash_next(std::unique_lock<std::mutex>& lock);
  void compress_next(std::unique_lock<std::mutex>& lock, Tools& tools);
  void compress(Slot& mine, Tools& tools) const;
  void submit();
  bool write_oldest(bool wait);

  std::unique_ptr<BlockFormat> format_;
  Sink& next_;
  BlockReuse reuse_;
  Sha256* input_;
  BlockSizes sizes_;
  std::vector<Slot> slots_;
  std::uint64_t written_ = 0;  // blocks passed to next_; only the writing thread looks at it
  std::uint64_t written_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable work_ready_;
  std::condition_variable work_done_;
  std::uint64_t submitted_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t hashed_ = 0;
  bool hashing_ = false;
  bool stopping_ = false;

  std::vector<std::jthread> threads_;
};

}  // namespace kiln::layer
