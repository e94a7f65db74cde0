#include "builder/ops/arriving_blob.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::ops {

class ArrivingBlob::Writer final : public Sink {
 public:
  explicit Writer(ArrivingBlob& blob) : blob_(blob) {}

  void write(Bytes bytes) override {
    blob_.file_->write(bytes);
    {
      const std::lock_guard lock(blob_.mutex_);
      blob_.written_bytes_ += bytes.size();
    }
    blob_.changed_.notify_all();
  }

  void finish() override {
    {
      const std::lock_guard lock(blob_.mutex_);
      blob_.verified_ = true;
    }
    blob_.changed_.notify_all();
  }

 private:
  ArrivingBlob& blob_;
};

class ArrivingBlob::Reader final : public Source {
 public:
  Reader(std::shared_ptr<ArrivingBlob> blob, std::stop_token stop)
      : blob_(std::move(blob)), stop_(std::move(stop)) {
    const std::lock_guard lock(blob_->mutex_);
    if (!blob_->file_) throw Error(Errc::unavailable, "a blob's download is over");
    attempt_ = blob_->attempt_;
    name_ = blob_->file_->path().string();
    // A descriptor of its own: it stays good when the file gets its name, or goes.
    fd_ = os::open_file(blob_->file_->path(), O_RDONLY);
  }

  std::size_t read(MutableBytes buffer) override {
    const std::uint64_t there = wait();
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), there - position_bytes_));
    while (wanted > 0) {
      const ssize_t count =
          ::pread(fd_.get(), buffer.data(), wanted, static_cast<off_t>(position_bytes_));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw system_error(errno, "read " + name_);
      if (count == 0) throw Error(Errc::unavailable, "{}: cut short while it was read", name_);
      position_bytes_ += static_cast<std::uint64_t>(count);
      return static_cast<std::size_t>(count);
    }
    return 0;
  }

 private:
  /// How many bytes there are: more than were read, or all of the blob.
  std::uint64_t wait() {
    std::unique_lock lock(blob_->mutex_);
    blob_->changed_.wait(lock, stop_, [this] {
      return blob_->attempt_ != attempt_ || blob_->written_bytes_ > position_bytes_ ||
             blob_->verified_ || blob_->closed_;
    });
    if (stop_.stop_requested()) throw Error(Errc::cancelled, "read a blob: cancelled");
    if (blob_->attempt_ != attempt_) throw BegunAgain{};
    if (blob_->closed_ && !blob_->verified_)
      throw Error(Errc::unavailable, "{}: its download has failed", name_);
    return blob_->written_bytes_;
  }

  std::shared_ptr<ArrivingBlob> blob_;
  std::stop_token stop_;
  std::uint64_t attempt_ = 0;
  std::string name_;
  os::Fd fd_;
  std::uint64_t position_bytes_ = 0;
};

ArrivingBlob::ArrivingBlob(const store::BlobStore& blobs) : blobs_(blobs) {}

std::unique_ptr<Sink> ArrivingBlob::open() {
  {
    const std::lock_guard lock(mutex_);
    file_.emplace(blobs_.writer());
    ++attempt_;
    written_bytes_ = 0;
    verified_ = false;
  }
  changed_.notify_all();
  return std::make_unique<Writer>(*this);
}

void ArrivingBlob::commit(const Digest& digest) {
  std::unique_lock lock(mutex_);
  check(verified_ && file_, "a blob that is committed was verified");
  store::BlobWriter file(std::move(*file_));
  file_.reset();
  lock.unlock();
  blobs_.commit(std::move(file), digest);
}

void ArrivingBlob::close() noexcept {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    if (!verified_) file_.reset();
  }
  changed_.notify_all();
}

std::unique_ptr<Source> ArrivingBlob::read(std::shared_ptr<ArrivingBlob> blob,
                                           std::stop_token stop) {
  return std::make_unique<Reader>(std::move(blob), std::move(stop));
}

}  // namespace kiln::ops
