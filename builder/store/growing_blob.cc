#include "builder/store/growing_blob.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::store {

namespace asio = boost::asio;

namespace {

/// Less is not worth a reader's turn.
constexpr std::uint64_t kStepBytes = 256UL * 1024;

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

}  // namespace

GrowingBlob::GrowingBlob(asio::any_io_executor loop)
    : loop_(std::move(loop)), changed_(loop_, asio::steady_timer::time_point::max()) {}

void GrowingBlob::begin(const std::filesystem::path& file) {
  os::Fd opened = os::open_file(file, O_RDONLY);
  {
    const std::lock_guard lock(mutex_);
    file_ = std::move(opened);
  }
  wake();
}

void GrowingBlob::grow(std::uint64_t size_bytes) {
  {
    const std::lock_guard lock(mutex_);
    size_bytes_ = size_bytes;
  }
  wake();
}

void GrowingBlob::finish(oci::Descriptor descriptor) {
  {
    const std::lock_guard lock(mutex_);
    descriptor_ = std::move(descriptor);
  }
  wake();
}

void GrowingBlob::abandon() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (descriptor_) return;
    abandoned_ = true;
  }
  wake();
}

/// The timer is the event loop's: it is cancelled there, once for all that changed meanwhile.
void GrowingBlob::wake() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(waking_, true)) return;
  }
  asio::post(loop_, [self = shared_from_this()] {
    {
      const std::lock_guard lock(self->mutex_);
      self->waking_ = false;
    }
    self->changed_.cancel();
  });
}

asio::awaitable<void> GrowingBlob::wait() {
  boost::system::error_code woken;
  co_await changed_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  // Woken and cancelled look alike.
  const auto cancelled = co_await asio::this_coro::cancellation_state;
  if (cancelled.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
}

std::unique_ptr<Source> GrowingBlob::open() const {
  const std::lock_guard lock(mutex_);
  return std::make_unique<PartSource>(file_.duplicate());
}

asio::awaitable<bool> GrowingBlob::more(std::uint64_t read_bytes) {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (descriptor_) co_return read_bytes < descriptor_->size_bytes;
      if (abandoned_)
        throw Error(Errc::unavailable, "a blob that was being written is not finished");
      if (size_bytes_ >= read_bytes + kStepBytes) co_return true;
    }
    co_await wait();
  }
}

std::optional<oci::Descriptor> GrowingBlob::descriptor() const {
  const std::lock_guard lock(mutex_);
  return descriptor_;
}

asio::awaitable<bool> GrowingBlob::ended() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (descriptor_ || abandoned_) co_return descriptor_.has_value();
    }
    co_await wait();
  }
}

}  // namespace kiln::store
