// Reads a source on a thread of its own, a few blocks ahead of the reader: inflating and hashing
// overlap with writing files.
#pragma once

#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "proto/bytes.h"

namespace kiln::layer {

/// What the inner source throws, the reader gets in its place in the stream. The destructor waits
/// for a read that is under way.
class ReadAhead final : public Source {
 public:
  /// `inner` outlives this object and is used by its thread only.
  explicit ReadAhead(Source& inner);
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead() override;

  std::size_t read(MutableBytes buffer) override;

 private:
  static constexpr std::size_t kBlocks = 4;
  static constexpr std::size_t kBlockBytes = 256 * 1024;

  struct Block {
    std::vector<std::byte> bytes = std::vector<std::byte>(kBlockBytes);
    std::size_t size = 0;
  };

  void run();

  Source& inner_;
  std::array<Block, kBlocks> blocks_;
  std::size_t position_ = 0;  // in the block being read

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t filled_ = 0;  // blocks filled and read since the beginning
  std::size_t read_ = 0;
  bool at_end_ = false;
  bool stopping_ = false;
  std::exception_ptr failure_;

  std::jthread thread_;
};

}  // namespace kiln::layer
