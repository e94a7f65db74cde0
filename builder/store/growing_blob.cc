#include "builder/store/growing_blob.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <limits>
#include <utility>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::store {

namespace asio = boost::asio;

namespace {

/// Less is not worth an asynchronous reader's turn.
constexpr std::uint64_t kStepBytes = 256UL * 1024;
constexpr std::uint64_t kOnlyTheEnd = std::numeric_limits<std::uint64_t>::max();

/// Reads a file to its present end, by a position of its own: descriptors of one opening share
/// theirs.
class PartSource final : public Source {
 public:
  explicit PartSource(os::Fd file) : file_(std::move(file)) {}

  std::size_t read(MutableBytes buffer) override {
    while (true) {
      const ssize_t count = ::pread(file_.get(), buffer.data(), buffer.size(), at_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw system_error(errno, "read a blob that is being written");
      at_ += count;
      return static_cast<std::size_t>(count);
    }
  }

 private:
  os::Fd file_;
  off_t at_ = 0;
};

Error unfinished() {
  return Error(Errc::unavailable, "a blob that was being written is not finished");
}

}  // namespace

class GrowingBlob::Writer final : public Sink {
 public:
  explicit Writer(GrowingBlob& blob) : blob_(blob) {}

  void write(Bytes bytes) override {
    blob_.file_->write(bytes);
    const std::lock_guard lock(blob_.mutex_);
    blob_.size_bytes_ = blob_.file_->size_bytes();
    blob_.tell_readers();
  }
  void finish() override { blob_.file_->finish(); }

 private:
  GrowingBlob& blob_;
};

std::unique_ptr<Sink> GrowingBlob::open() {
  file_.reset();
  file_.emplace(blobs_.writer());
  os::Fd bytes = os::open_file(file_->path(), O_RDONLY);
  const std::lock_guard lock(mutex_);
  bytes_ = std::move(bytes);
  ++attempt_;
  size_bytes_ = 0;
  tell_readers();
  return std::make_unique<Writer>(*this);
}

void GrowingBlob::commit(oci::Descriptor descriptor) {
  check(file_ && file_->size_bytes() == descriptor.size_bytes, "a blob is committed as it is");
  BlobWriter file(std::move(*file_));
  file_.reset();
  blobs_.commit(std::move(file), descriptor.digest);
  const std::lock_guard lock(mutex_);
  descriptor_ = std::move(descriptor);
  tell_readers();
}

void GrowingBlob::close() noexcept {
  file_.reset();
  const std::lock_guard lock(mutex_);
  closed_ = true;
  if (!descriptor_) bytes_ = os::Fd();
  tell_readers();
}

std::optional<oci::Descriptor> GrowingBlob::descriptor() const {
  const std::lock_guard lock(mutex_);
  return descriptor_;
}

asio::awaitable<bool> GrowingBlob::ended() {
  const auto loop = co_await asio::this_coro::executor;
  while (true) {
    std::shared_ptr<os::Event> changed;
    {
      const std::lock_guard lock(mutex_);
      if (descriptor_ || closed_) co_return descriptor_.has_value();
      changed = add_waiter(kOnlyTheEnd, loop);
    }
    co_await changed->wait();
  }
}

/// Whether a reader of that attempt who waits for the blob to have that size has something to do.
bool GrowingBlob::concerns(std::uint64_t attempt, std::uint64_t wanted_bytes) const noexcept {
  return attempt_ != attempt || size_bytes_ >= wanted_bytes || descriptor_ || closed_;
}

std::shared_ptr<os::Event> GrowingBlob::add_waiter(std::uint64_t wanted_bytes,
                                                   asio::any_io_executor loop) {
  auto event = std::make_shared<os::Event>(loop);
  waiters_.push_back({attempt_, wanted_bytes, std::move(loop), event});
  return event;
}

/// With the lock held.
void GrowingBlob::tell_readers() {
  changed_.notify_all();
  std::erase_if(waiters_, [this](const Waiter& waiter) {
    if (waiter.event.expired()) return true;  // cancelled
    if (!concerns(waiter.attempt, waiter.wanted_bytes)) return false;
    asio::post(waiter.loop, [weak = waiter.event] {
      if (const auto event = weak.lock()) event->set();
    });
    return true;
  });
}

BlockingBlobReader::BlockingBlobReader(std::shared_ptr<GrowingBlob> blob, std::stop_token stop)
    : blob_(std::move(blob)), stop_(std::move(stop)) {
  const std::lock_guard lock(blob_->mutex_);
  if (!blob_->bytes_) throw unfinished();
  attempt_ = blob_->attempt_;
  bytes_ = std::make_unique<PartSource>(blob_->bytes_.duplicate());
}

std::size_t BlockingBlobReader::read(MutableBytes buffer) {
  const std::uint64_t there = wait() - read_bytes_;
  const MutableBytes wanted = buffer.first(std::min<std::uint64_t>(buffer.size(), there));
  if (wanted.empty()) return 0;
  const std::size_t count = bytes_->read(wanted);
  if (count == 0) throw Error(Errc::unavailable, "a blob was cut short while it was read");
  read_bytes_ += count;
  return count;
}

/// How many bytes there are: more than were read, or all of the blob.
std::uint64_t BlockingBlobReader::wait() {
  std::unique_lock lock(blob_->mutex_);
  blob_->changed_.wait(lock, stop_, [this] { return blob_->concerns(attempt_, read_bytes_ + 1); });
  if (stop_.stop_requested()) throw Error(Errc::cancelled, "read a blob: cancelled");
  if (blob_->attempt_ != attempt_) throw BegunAgain{};
  if (blob_->closed_ && !blob_->descriptor_) throw unfinished();
  return blob_->size_bytes_;
}

asio::awaitable<bool> AsyncBlobReader::more(std::uint64_t read_bytes) {
  const auto loop = co_await asio::this_coro::executor;
  while (true) {
    std::shared_ptr<os::Event> changed;
    {
      const std::lock_guard lock(blob_->mutex_);
      if (attempt_ == 0) attempt_ = blob_->attempt_;
      if (blob_->attempt_ != attempt_)
        throw Error(Errc::unavailable, "a blob that was being read was begun again");
      if (blob_->descriptor_) co_return read_bytes < blob_->size_bytes_;
      if (blob_->closed_) throw unfinished();
      if (blob_->size_bytes_ >= read_bytes + kStepBytes) co_return true;
      changed = blob_->add_waiter(read_bytes + kStepBytes, loop);
    }
    co_await changed->wait();
  }
}

std::unique_ptr<Source> AsyncBlobReader::open() const {
  const std::lock_guard lock(blob_->mutex_);
  if (blob_->attempt_ != attempt_ || !blob_->bytes_) throw unfinished();
  return std::make_unique<PartSource>(blob_->bytes_.duplicate());
}

}  // namespace kiln::store
