#include "builder/layer/zstd.h"

#include <zstd.h>

#include <string>
#include <vector>

#include "proto/error.h"

namespace kiln::layer {

namespace {

// Frames do not see each other: about a whole window of level 3 each keeps the loss near 1 %.
constexpr BlockSizes kSizes{1024UL * 1024, 4096UL * 1024, 2048};
constexpr int kLevel = 3;

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

class ZstdBlockCompressor final : public BlockCompressor {
 public:
  ZstdBlockCompressor() : context_(ZSTD_createCCtx()) {
    check(context_ != nullptr, "zstd has memory for a compressor");
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  std::size_t compress(Bytes block, MutableBytes out) override {
    const std::size_t size =
        ZSTD_compress2(context_.get(), out.data(), out.size(), block.data(), block.size());
    if (ZSTD_isError(size) != 0) throw Error(Errc::internal, "zstd: {}", ZSTD_getErrorName(size));
    return size;
  }

 private:
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> context_;
};

class ZstdFormat final : public BlockFormat {
 public:
  [[nodiscard]] BlockSizes sizes() const override { return kSizes; }
  [[nodiscard]] std::size_t bound_bytes() const override { return ZSTD_compressBound(kSizes.max); }
  [[nodiscard]] std::unique_ptr<BlockCompressor> make_compressor() const override {
    return std::make_unique<ZstdBlockCompressor>();
  }
};

class ZstdSource final : public Source {
 public:
  explicit ZstdSource(std::unique_ptr<Source> compressed)
      : compressed_(std::move(compressed)),
        input_(ZSTD_DStreamInSize()),
        context_(ZSTD_createDCtx()) {
    check(context_ != nullptr, "zstd has memory for a decompressor");
  }

  std::size_t read(MutableBytes buffer) override {
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    while (out.pos == 0 && out.size > 0) {
      if (position_ == size_ && !at_end_) {
        size_ = compressed_->read(input_);
        position_ = 0;
        at_end_ = size_ == 0;
      }
      if (at_end_ && between_frames_) return 0;
      ZSTD_inBuffer in{input_.data(), size_, position_};
      const std::size_t result = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(result) != 0)
        throw Error(Errc::corrupt, "zstd: {}", ZSTD_getErrorName(result));
      between_frames_ = result == 0;
      if (at_end_ && out.pos == 0 && !between_frames_)
        throw Error(Errc::corrupt, "zstd: the stream ends too early");
      position_ = in.pos;
    }
    return out.pos;
  }

 private:
  std::unique_ptr<Source> compressed_;
  std::vector<std::byte> input_;
  std::size_t size_ = 0;
  std::size_t position_ = 0;
  bool at_end_ = false;
  bool between_frames_ = true;
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context_;
};

}  // namespace

std::unique_ptr<BlockFormat> make_zstd_format() {
  return std::make_unique<ZstdFormat>();
}

std::unique_ptr<Source> make_zstd_source(std::unique_ptr<Source> compressed) {
  return std::make_unique<ZstdSource>(std::move(compressed));
}

}  // namespace kiln::layer
