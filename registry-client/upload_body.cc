#include "registry-client/upload_body.h"

#include <span>
#include <utility>

#include "builder/os/offload.h"
#include "proto/error.h"

namespace kiln::registry {

namespace {
constexpr std::size_t kChunkBytes = 256U * 1024;
}

UploadBody::UploadBody(boost::asio::thread_pool& pool,
                       oci::Descriptor descriptor,
                       OpenSource open,
                       ProgressFn progress)
    : pool_(pool),
      descriptor_(std::move(descriptor)),
      open_(std::move(open)),
      progress_(std::move(progress)),
      chunk_(kChunkBytes) {}

UploadBody::UploadBody(boost::asio::thread_pool& pool, const GrowingSource& source)
    : pool_(pool), open_(source.open), more_(source.more), progress_({}), chunk_(kChunkBytes) {}

std::optional<std::uint64_t> UploadBody::size_bytes() const noexcept {
  if (!descriptor_) return std::nullopt;
  return descriptor_->size_bytes;
}

boost::asio::awaitable<void> UploadBody::rewind() {
  co_await os::offload(pool_, [this] { source_ = open_(); });
  check(source_ != nullptr, "a blob's source opens");
  read_bytes_ = 0;
  progress_.restart();
}

std::size_t UploadBody::read_chunk() {
  std::size_t count = 0;
  while (count < chunk_.size()) {
    const std::size_t got = source_->read(std::span(chunk_).subspan(count));
    if (got == 0) break;
    count += got;
  }
  return count;
}

boost::asio::awaitable<Bytes> UploadBody::next() {
  // The chunk before this one has been written.
  if (read_bytes_ > 0) progress_.advance(last_bytes_);
  last_bytes_ = 0;
  if (!more_ || co_await more_(read_bytes_)) {
    last_bytes_ = co_await os::offload(pool_, [this] { return read_chunk(); });
    read_bytes_ += last_bytes_;
  }
  check_size(last_bytes_ == 0);
  co_return std::span(chunk_).first(last_bytes_);
}

void UploadBody::check_size(bool ended) const {
  if (!descriptor_) return;
  const std::uint64_t size_bytes = descriptor_->size_bytes;
  if (read_bytes_ > size_bytes || (ended && read_bytes_ < size_bytes)) {
    throw Error(Errc::corrupt, "blob {}: its source has {} {} bytes instead of {}",
                descriptor_->digest.str(), ended ? "only" : "at least", read_bytes_, size_bytes);
  }
}

}  // namespace kiln::registry
