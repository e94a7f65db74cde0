#include "builder/layer/read_ahead.h"

#include <algorithm>
#include <cstring>

namespace kiln::layer {

ReadAhead::ReadAhead(Source& inner) : inner_(inner), thread_([this] { run(); }) {}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

void ReadAhead::run() {
  bool more = true;
  while (more) {
    Block* block = nullptr;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || filled_ - read_ < kBlocks; });
      if (stopping_) return;
      block = &blocks_[filled_ % kBlocks];
    }
    std::exception_ptr failure;
    block->size = 0;
    try {
      // Full blocks: a source that gives little at a time must not cost a wake-up each time.
      while (more && block->size < kBlockBytes) {
        const std::size_t count = inner_.read(MutableBytes(block->bytes).subspan(block->size));
        block->size += count;
        more = count > 0;
      }
    } catch (...) {
      failure = std::current_exception();
      more = false;
    }
    {
      const std::lock_guard lock(mutex_);
      if (block->size > 0) ++filled_;
      at_end_ = !more;
      failure_ = std::move(failure);
    }
    changed_.notify_all();
  }
}

std::size_t ReadAhead::read(MutableBytes buffer) {
  if (buffer.empty()) return 0;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return read_ < filled_ || at_end_; });
    if (read_ == filled_) {
      if (failure_) std::rethrow_exception(failure_);
      return 0;
    }
  }
  const Block& block = blocks_[read_ % kBlocks];
  const std::size_t count = std::min(buffer.size(), block.size - position_);
  std::memcpy(buffer.data(), block.bytes.data() + position_, count);
  position_ += count;
  if (position_ == block.size) {
    position_ = 0;
    {
      const std::lock_guard lock(mutex_);
      ++read_;
    }
    changed_.notify_all();
  }
  return count;
}

}  // namespace kiln::layer
