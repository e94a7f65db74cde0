// Compresses a stream block by block on several threads; the blocks come out in order.
//
// Invariant: blocks are cut at fixed offsets of the input and compressed independently, so the
// output does not depend on the number of threads. The next sink is called by the writing thread
// only.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "proto/bytes.h"

namespace kiln::layer {

/// Compresses blocks, one after the other; each thread has its own.
class BlockCompressor {
 public:
  virtual ~BlockCompressor() = default;

  /// Compresses one block; `out` is at least BlockFormat::bound_bytes() long. Returns the length.
  virtual std::size_t compress(Bytes block, MutableBytes out) = 0;
};

/// What a stream of compressed blocks consists of.
class BlockFormat {
 public:
  virtual ~BlockFormat() = default;

  [[nodiscard]] virtual std::size_t block_bytes() const = 0;
  /// The most that a block can become.
  [[nodiscard]] virtual std::size_t bound_bytes() const = 0;
  [[nodiscard]] virtual std::unique_ptr<BlockCompressor> make_compressor() const = 0;
  /// What precedes the first block.
  virtual void begin(Sink& out) = 0;
  /// Sees all of the input, in order.
  virtual void account(Bytes input) = 0;
  /// What follows the last block.
  virtual void end(Sink& out) = 0;
};

class BlockPipeline final : public Sink {
 public:
  /// `next` outlives the pipeline. 2 x threads blocks are in memory at most.
  BlockPipeline(std::unique_ptr<BlockFormat> format, Sink& next, int threads);
  BlockPipeline(const BlockPipeline&) = delete;
  BlockPipeline& operator=(const BlockPipeline&) = delete;
  ~BlockPipeline() override;

  void write(Bytes bytes) override;
  void finish() override;

 private:
  struct Slot {
    std::vector<std::byte> in;
    std::size_t in_bytes = 0;
    std::vector<std::byte> out;
    std::size_t out_bytes = 0;
    std::exception_ptr error;
    bool done = false;
  };

  Slot& slot(std::uint64_t block) { return slots_[block % slots_.size()]; }
  void work();
  void submit();
  bool write_oldest(bool wait);

  std::unique_ptr<BlockFormat> format_;
  Sink& next_;
  std::size_t block_bytes_;
  std::vector<Slot> slots_;
  std::uint64_t written_ = 0;  // blocks passed to next_; only the writing thread looks at it

  std::mutex mutex_;
  std::condition_variable work_ready_;
  std::condition_variable work_done_;
  std::uint64_t submitted_ = 0;
  std::uint64_t taken_ = 0;
  bool stopping_ = false;

  std::vector<std::jthread> threads_;
};

}  // namespace kiln::layer
