#include "builder/layer/peeked_source.h"

#include <algorithm>
#include <cstring>

namespace kiln::layer {

PeekedSource::PeekedSource(std::unique_ptr<Source> inner, std::size_t head_bytes)
    : inner_(std::move(inner)), head_(head_bytes) {
  std::size_t size = 0;
  while (size < head_.size()) {
    const std::size_t count = inner_->read(MutableBytes(head_).subspan(size));
    if (count == 0) break;
    size += count;
  }
  head_.resize(size);
}

std::size_t PeekedSource::read(MutableBytes buffer) {
  if (position_ == head_.size()) return inner_->read(buffer);
  const std::size_t count = std::min(buffer.size(), head_.size() - position_);
  std::memcpy(buffer.data(), head_.data() + position_, count);
  position_ += count;
  return count;
}

}  // namespace kiln::layer
