#include "builder/layer/block_pipeline.h"

#include <algorithm>
#include <cstring>

namespace kiln::layer {

BlockPipeline::BlockPipeline(std::unique_ptr<BlockFormat> format, Sink& next, int threads)
    : format_(std::move(format)), next_(next), block_bytes_(format_->block_bytes()) {
  const auto count = static_cast<std::size_t>(std::max(threads, 1));
  slots_.resize(2 * count);
  format_->begin(next_);
  threads_.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    threads_.emplace_back([this] { work(); });
}

BlockPipeline::~BlockPipeline() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_ready_.notify_all();
}

void BlockPipeline::work() {
  std::unique_ptr<BlockCompressor> compressor;
  while (true) {
    Slot* mine = nullptr;
    {
      std::unique_lock lock(mutex_);
      work_ready_.wait(lock, [this] { return stopping_ || taken_ < submitted_; });
      if (stopping_) return;
      mine = &slot(taken_++);
    }
    std::exception_ptr error;
    try {
      if (!compressor) compressor = format_->make_compressor();
      if (mine->out.empty()) mine->out.resize(format_->bound_bytes());
      mine->out_bytes = compressor->compress(Bytes(mine->in).first(mine->in_bytes), mine->out);
    } catch (...) {
      error = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      mine->error = std::move(error);
      mine->done = true;
    }
    work_done_.notify_one();
  }
}

bool BlockPipeline::write_oldest(bool wait) {
  if (written_ == submitted_) return false;
  Slot& oldest = slot(written_);
  {
    std::unique_lock lock(mutex_);
    if (!wait && !oldest.done) return false;
    work_done_.wait(lock, [&] { return oldest.done; });
  }
  if (oldest.error) std::rethrow_exception(oldest.error);
  next_.write(Bytes(oldest.out).first(oldest.out_bytes));
  oldest.done = false;
  oldest.in_bytes = 0;
  ++written_;
  return true;
}

void BlockPipeline::submit() {
  {
    const std::lock_guard lock(mutex_);
    ++submitted_;
  }
  work_ready_.notify_one();
  while (write_oldest(false)) {
  }
}

void BlockPipeline::write(Bytes bytes) {
  format_->account(bytes);
  while (!bytes.empty()) {
    if (submitted_ - written_ == slots_.size()) write_oldest(true);
    Slot& current = slot(submitted_);
    if (current.in.empty()) current.in.resize(block_bytes_);
    const std::size_t count = std::min(bytes.size(), block_bytes_ - current.in_bytes);
    std::memcpy(current.in.data() + current.in_bytes, bytes.data(), count);
    current.in_bytes += count;
    bytes = bytes.subspan(count);
    if (current.in_bytes == block_bytes_) submit();
  }
}

void BlockPipeline::finish() {
  if (submitted_ - written_ < slots_.size() && slot(submitted_).in_bytes > 0) submit();
  while (write_oldest(true)) {
  }
  format_->end(next_);
  next_.finish();
}

}  // namespace kiln::layer
