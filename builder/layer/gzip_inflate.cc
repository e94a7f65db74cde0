#include <algorithm>
#include <isa-l/igzip_lib.h>
#include <vector>

#include "builder/layer/gzip.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

constexpr std::size_t kInputBytes = 128 * 1024;

class GzipSource final : public Source {
 public:
  explicit GzipSource(std::unique_ptr<Source> compressed)
      : compressed_(std::move(compressed)), input_(kInputBytes) {
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
  }

  std::size_t read(MutableBytes buffer) override {
    const std::size_t wanted = std::min<std::size_t>(buffer.size(), 1U << 30);
    if (wanted == 0) return 0;
    state_->next_out = reinterpret_cast<std::uint8_t*>(buffer.data());
    state_->avail_out = static_cast<std::uint32_t>(wanted);
    while (true) {
      if (state_->block_state == ISAL_BLOCK_FINISH && !begin_next_member()) return 0;
      if (state_->avail_in == 0) refill();
      inflate();
      const std::size_t count = wanted - state_->avail_out;
      if (count > 0) return count;
      if (at_end_ && state_->block_state != ISAL_BLOCK_FINISH)
        throw Error(Errc::corrupt, "gzip: the stream ends too early");
    }
  }

 private:
  void refill() {
    if (at_end_) return;
    const std::size_t count = compressed_->read(input_);
    at_end_ = count == 0;
    state_->next_in = reinterpret_cast<std::uint8_t*>(input_.data());
    state_->avail_in = static_cast<std::uint32_t>(count);
  }

  void inflate() {
    const int result = isal_inflate(state_.get());
    if (result >= 0) return;
    switch (result) {
      case ISAL_INVALID_WRAPPER:
      case ISAL_UNSUPPORTED_METHOD:
        throw Error(Errc::corrupt, "gzip: not a gzip header");
      case ISAL_INCORRECT_CHECKSUM:
        throw Error(Errc::corrupt, "gzip: the check sum or length does not match the content");
      default:
        throw Error(Errc::corrupt, "gzip: damaged deflate data");
    }
  }

  // True when another member follows.
  bool begin_next_member() {
    while (true) {
      if (state_->avail_in == 0) refill();
      if (state_->avail_in == 0) return false;
      if (*state_->next_in != 0) break;
      padding_ = true;
      ++state_->next_in;
      --state_->avail_in;
    }
    if (padding_ || *state_->next_in != 0x1f)
      throw Error(Errc::corrupt, "gzip: foreign bytes after the end of the stream");
    isal_inflate_reset(state_.get());
    state_->crc_flag = ISAL_GZIP;
    return true;
  }

  std::unique_ptr<Source> compressed_;
  std::vector<std::byte> input_;
  std::unique_ptr<inflate_state> state_ = std::make_unique<inflate_state>();
  bool at_end_ = false;
  bool padding_ = false;
};

}  // namespace

std::unique_ptr<Source> make_gzip_source(std::unique_ptr<Source> compressed) {
  return std::make_unique<GzipSource>(std::move(compressed));
}

}  // namespace kiln::layer
