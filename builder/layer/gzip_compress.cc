#include <libdeflate.h>

#include <isa-l/igzip_lib.h>
#include <vector>

#include "builder/layer/gzip.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

// How much a thorough search for matches gains over a quick one, and what it costs, depends on the
// block. One that shrinks below 0.4 gains a tenth or more, and searching it is quick; of the others
// some gain as much, the rest 3 to 9 % for four times the work. A sample tells which.
//
// Bytes beside gzip -6 and rate of one processor: 770 MB of programs +8.4 %, 226 MB/s; 450 MB of
// text +9.0 %, 340 MB/s; C headers +7.3 %, 200 MB/s. A thorough search of all blocks: 5, 7 and 0 %
// fewer bytes than so, at 110 to 210 MB/s; a quick one: 5, 0 and 17 % more, at 430 to 870. gzip -6
// itself runs at 30.
constexpr int kThoroughLevel = 4;
constexpr double kThoroughBelow = 0.4;
constexpr double kMinGain = 0.1;
// ISA-L's level 3 gives other bytes on other x86-64 processors, level 2 the same on all since 2008.
constexpr int kQuickLevel = 2;
// From the middle of a block: at its ends there are more often several files.
constexpr std::size_t kSampleBytes = 8UL * 1024;

// A block does not see those before it, which costs 0.3 % at this size; smaller ones bring more of
// an earlier blob back when a few files change.
constexpr BlockSizes kSizes{128UL * 1024, 512UL * 1024, 256};

struct FreeCompressor {
  void operator()(libdeflate_compressor* compressor) const noexcept {
    libdeflate_free_compressor(compressor);
  }
};

using Compressor = std::unique_ptr<libdeflate_compressor, FreeCompressor>;

Compressor make_thorough() {
  Compressor compressor(libdeflate_alloc_compressor(kThoroughLevel));
  check(compressor != nullptr, "libdeflate has memory for a compressor");
  return compressor;
}

class GzipBlockCompressor final : public BlockCompressor {
 public:
  std::size_t compress(Bytes block, MutableBytes out) override {
    // Decided by the block alone, so that equal blocks give equal bytes.
    return searching_pays(block, out) ? compress_thoroughly(block, out)
                                      : compress_quickly(block, out);
  }

 private:
  bool searching_pays(Bytes block, MutableBytes out) {
    if (block.size() < kSampleBytes) return true;
    const Bytes sample = block.subspan((block.size() - kSampleBytes) / 2, kSampleBytes);
    const auto quick = static_cast<double>(compress_quickly(sample, out));
    if (quick < kThoroughBelow * kSampleBytes) return true;
    const auto thorough = static_cast<double>(compress_thoroughly(sample, out));
    return thorough < (1 - kMinGain) * quick;
  }

  std::size_t compress_quickly(Bytes block, MutableBytes out) {
    isal_zstream stream;
    isal_deflate_stateless_init(&stream);
    stream.gzip_flag = IGZIP_GZIP;
    stream.level = kQuickLevel;
    stream.level_buf = quick_buffer_.data();
    stream.level_buf_size = static_cast<std::uint32_t>(quick_buffer_.size());
    // ISA-L's pointer is not const; it does not write to its input.
    stream.next_in = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(block.data()));
    stream.avail_in = static_cast<std::uint32_t>(block.size());
    stream.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream.avail_out = static_cast<std::uint32_t>(out.size());
    stream.end_of_stream = 1;
    check(isal_deflate_stateless(&stream) == COMP_OK, "a deflate block fits its bound");
    return stream.total_out;
  }

  std::size_t compress_thoroughly(Bytes block, MutableBytes out) {
    const std::size_t size = libdeflate_gzip_compress(thorough_.get(), block.data(), block.size(),
                                                      out.data(), out.size());
    check(size > 0, "a deflate block fits its bound");
    return size;
  }

  Compressor thorough_ = make_thorough();
  std::vector<std::uint8_t> quick_buffer_ = std::vector<std::uint8_t>(ISAL_DEF_LVL2_DEFAULT);
};

class GzipFormat final : public BlockFormat {
 public:
  [[nodiscard]] BlockSizes sizes() const override { return kSizes; }
  [[nodiscard]] std::size_t bound_bytes() const override {
    return libdeflate_gzip_compress_bound(nullptr, kSizes.max);
  }
  [[nodiscard]] std::unique_ptr<BlockCompressor> make_compressor() const override {
    return std::make_unique<GzipBlockCompressor>();
  }
};

}  // namespace

std::unique_ptr<BlockFormat> make_gzip_format() {
  return std::make_unique<GzipFormat>();
}

}  // namespace kiln::layer
