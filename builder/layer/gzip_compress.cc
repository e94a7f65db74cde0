#include <array>
#include <cstring>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "builder/layer/gzip.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

constexpr std::size_t kBlockBytes = 1024 * 1024;
// Level 2 and not 3: ISA-L's level 3 searches 16 bytes at a time with AVX-512, 8 with AVX2 and
// one without, and finds other matches each time; the blob of a layer would have another digest on
// another processor. Level 2 gives equal bytes on all that have SSE 4.2, for 2 % more of them.
constexpr std::uint32_t kLevel = 2;
// 8192 tokens a Huffman table: 2 % smaller than ISA-L's default of 65536, which averages code and
// data into one table.
constexpr std::uint32_t kLevelBufferBytes =
    ISAL_DEF_LVL2_REQ + ISAL_DEF_LVL2_TOKEN_SIZE * 8 * IGZIP_K;

class GzipBlockCompressor final : public BlockCompressor {
 public:
  std::size_t compress(Bytes block, MutableBytes out) override {
    isal_deflate_init(stream_.get());
    stream_->level = kLevel;
    stream_->level_buf = level_buffer_.get();
    stream_->level_buf_size = kLevelBufferBytes;
    stream_->flush = FULL_FLUSH;
    stream_->gzip_flag = IGZIP_DEFLATE;
    // ISA-L's pointer is not const; it does not write to its input.
    stream_->next_in =
        const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(block.data()));
    stream_->avail_in = static_cast<std::uint32_t>(block.size());
    stream_->next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream_->avail_out = static_cast<std::uint32_t>(out.size());
    const int result = isal_deflate(stream_.get());
    check(result == COMP_OK && stream_->avail_in == 0 && stream_->avail_out > 0,
          "a deflate block fits its bound");
    return out.size() - stream_->avail_out;
  }

 private:
  std::unique_ptr<isal_zstream> stream_ = std::make_unique<isal_zstream>();
  std::unique_ptr<std::uint8_t[]> level_buffer_ =
      std::make_unique<std::uint8_t[]>(kLevelBufferBytes);
};

class GzipFormat final : public BlockFormat {
 public:
  [[nodiscard]] std::size_t block_bytes() const override { return kBlockBytes; }
  // Stored deflate blocks of a few KiB at worst, 5 bytes each: far less than an eighth.
  [[nodiscard]] std::size_t bound_bytes() const override { return kBlockBytes + kBlockBytes / 8; }

  [[nodiscard]] std::unique_ptr<BlockCompressor> make_compressor() const override {
    return std::make_unique<GzipBlockCompressor>();
  }

  void begin(Sink& out) override {
    // source: RFC 1952 2.3.1: magic, deflate, no flags, no time, no extra flags, unknown system.
    constexpr std::array<unsigned char, 10> kHeader{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    out.write(std::as_bytes(std::span(kHeader)));
  }

  void account(Bytes input) override {
    crc_ =
        crc32_gzip_refl(crc_, reinterpret_cast<const unsigned char*>(input.data()), input.size());
    size_ += static_cast<std::uint32_t>(input.size());
  }

  void end(Sink& out) override {
    std::array<unsigned char, 10> trailer{3, 0};  // the last block, empty, with fixed codes
    for (unsigned i = 0; i < 4; ++i) {
      trailer[2 + i] = static_cast<unsigned char>(crc_ >> (8 * i));
      trailer[6 + i] = static_cast<unsigned char>(size_ >> (8 * i));
    }
    out.write(std::as_bytes(std::span(trailer)));
  }

 private:
  std::uint32_t crc_ = 0;
  std::uint32_t size_ = 0;  // modulo 2^32, as the format has it
};

}  // namespace

std::unique_ptr<BlockFormat> make_gzip_format() {
  return std::make_unique<GzipFormat>();
}

}  // namespace kiln::layer
