#include "builder/layer/block_pipeline.h"

#include <algorithm>
#include <cstring>

namespace kiln::layer {

namespace {

/// What a cut leaves over is copied again for the next block: so much at most.
constexpr std::size_t kStepBytes = 64UL * 1024;

/// Some blocks take three times as long as others, and those behind them wait for their turn.
constexpr std::size_t kSlotsPerThread = 4;

}  // namespace

BlockPipeline::BlockPipeline(
    std::unique_ptr<BlockFormat> format, Sink& next, int threads, BlockReuse reuse, Sha256* input)
    : format_(std::move(format)),
      next_(next),
      reuse_(reuse),
      input_(input),
      sizes_(format_->sizes()) {
  const auto count = static_cast<std::size_t>(std::max(threads, 1));
  slots_.resize(kSlotsPerThread * count);
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
  Tools tools;
  std::unique_lock lock(mutex_);
  while (true) {
    work_ready_.wait(lock, [this] { return stopping_ || can_hash() || taken_ < submitted_; });
    if (stopping_) return;
    // Hashing first: it is done in order, so it must not fall behind.
    if (can_hash())
      hash_next(lock);
    else
      compress_next(lock, tools);
  }
}

void BlockPipeline::hash_next(std::unique_lock<std::mutex>& lock) {
  Slot& next = slot(hashed_);
  hashing_ = true;
  if (taken_ < submitted_) work_ready_.notify_one();  // this thread was woken to compress
  lock.unlock();
  std::exception_ptr error;
  try {
    input_->update(Bytes(next.in).first(next.in_bytes));
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  if (error) next.error = std::move(error);
  hashing_ = false;
  ++hashed_;
  work_done_.notify_one();
}

void BlockPipeline::compress_next(std::unique_lock<std::mutex>& lock, Tools& tools) {
  Slot& mine = slot(taken_++);
  lock.unlock();
  std::exception_ptr error;
  try {
    compress(mine, tools);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  if (error) mine.error = std::move(error);
  mine.done = true;
  work_done_.notify_one();
}

void BlockPipeline::compress(Slot& mine, Tools& tools) const {
  const Bytes block = Bytes(mine.in).first(mine.in_bytes);
  if (mine.out.empty()) mine.out.resize(format_->bound_bytes());
  if (reuse_.earlier != nullptr || reuse_.table != nullptr) {
    if (!tools.hasher)
      tools.hasher.emplace(reuse_.earlier != nullptr ? reuse_.earlier->key() : reuse_.table->key());
    mine.hash = (*tools.hasher)(block);
  }
  mine.out_bytes = reuse_.earlier != nullptr ? reuse_.earlier->read(mine.hash, mine.out) : 0;
  if (mine.out_bytes > 0) return;
  if (!tools.compressor) tools.compressor = format_->make_compressor();
  mine.out_bytes = tools.compressor->compress(block, mine.out);
}

bool BlockPipeline::write_oldest(bool wait) {
  if (written_ == submitted_) return false;
  Slot& oldest = slot(written_);
  {
    std::unique_lock lock(mutex_);
    const auto is_ready = [&] { return oldest.done && (input_ == nullptr || hashed_ > written_); };
    if (!wait && !is_ready()) return false;
    work_done_.wait(lock, is_ready);
  }
  if (oldest.error) std::rethrow_exception(oldest.error);
  const Bytes compressed = Bytes(oldest.out).first(oldest.out_bytes);
  if (reuse_.table != nullptr) reuse_.table->add(oldest.hash, written_bytes_, compressed);
  next_.write(compressed);
  written_bytes_ += compressed.size();
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
  while (!bytes.empty()) {
    if (submitted_ - written_ == slots_.size()) write_oldest(true);
    Slot& current = slot(submitted_);
    if (current.in.empty()) current.in.resize(sizes_.max);
    const std::size_t seen = current.in_bytes;
    const std::size_t count = std::min({bytes.size(), sizes_.max - seen, kStepBytes});
    std::memcpy(current.in.data() + seen, bytes.data(), count);
    current.in_bytes += count;
    const std::size_t cut = find_cut(Bytes(current.in).first(current.in_bytes), seen, sizes_);
    if (cut > 0) current.in_bytes = cut;
    bytes = bytes.subspan(current.in_bytes - seen);
    if (cut > 0) submit();
  }
}

void BlockPipeline::finish() {
  const bool has_room = submitted_ - written_ < slots_.size();
  if (submitted_ == 0 || (has_room && slot(submitted_).in_bytes > 0)) submit();
  while (write_oldest(true)) {
  }
  next_.finish();
}

}  // namespace kiln::layer
