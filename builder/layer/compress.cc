#include "builder/layer/compress.h"

#include "builder/layer/archive_handle.h"
#include "builder/layer/gzip.h"
#include "builder/layer/peeked_source.h"
#include "builder/layer/zstd.h"
#include "proto/error.h"
#include "proto/oci.h"

namespace kiln::layer {

namespace {

class PlainSink final : public Sink {
 public:
  PlainSink(Sink& next, Sha256* input) : next_(next), input_(input) {}
  void write(Bytes bytes) override {
    if (input_ != nullptr) input_->update(bytes);
    next_.write(bytes);
  }
  void finish() override { next_.finish(); }

 private:
  Sink& next_;
  Sha256* input_;
};

/// The longest of the magic numbers below.
constexpr std::size_t kMagicBytes = 6;

bool is_zstd(std::string_view head) {
  // A frame, or a skippable one (magic 0x184D2A50 to 0x184D2A5F) in front of it.
  if (head.starts_with("\x28\xb5\x2f\xfd")) return true;
  return head.size() >= 4 && (static_cast<unsigned char>(head[0]) & 0xf0) == 0x50 &&
         head.substr(1, 3) == "\x2a\x4d\x18";
}

bool is_gzip(std::string_view head) {
  return head.starts_with("\x1f\x8b");
}

bool is_bzip2(std::string_view head) {
  return head.size() >= 4 && head.starts_with("BZh") && head[3] >= '1' && head[3] <= '9';
}

bool is_xz(std::string_view head) {
  constexpr std::string_view kMagic(
      "\xfd"
      "7zXZ\0",
      6);
  return head.starts_with(kMagic);
}

}  // namespace

std::unique_ptr<Sink> make_compressor(
    Compression compression, Sink& next, int threads, BlockReuse reuse, Sha256* input) {
  switch (compression) {
    case Compression::none:
      return std::make_unique<PlainSink>(next, input);
    case Compression::gzip:
      return std::make_unique<BlockPipeline>(make_gzip_format(), next, threads, reuse, input);
    case Compression::zstd:
      return std::make_unique<BlockPipeline>(make_zstd_format(), next, threads, reuse, input);
  }
  throw Error(Errc::internal, "unknown compression {}", static_cast<int>(compression));
}

std::unique_ptr<Source> make_decompressor(std::unique_ptr<Source> compressed, bool archives) {
  auto source = std::make_unique<PeekedSource>(std::move(compressed), kMagicBytes);
  const std::string_view head = as_text(source->head());
  if (is_gzip(head)) return make_gzip_source(std::move(source));
  if (is_zstd(head)) return make_zstd_source(std::move(source));
  if (archives && (is_bzip2(head) || is_xz(head))) return make_libarchive_source(std::move(source));
  return source;
}

bool is_compressed(std::string_view head) {
  return is_gzip(head) || is_zstd(head) || is_bzip2(head) || is_xz(head);
}

std::string_view layer_media_type(Compression compression) {
  switch (compression) {
    case Compression::none:
      return oci::kLayer;
    case Compression::gzip:
      return oci::kLayerGzip;
    case Compression::zstd:
      return oci::kLayerZstd;
  }
  throw Error(Errc::internal, "unknown compression {}", static_cast<int>(compression));
}

}  // namespace kiln::layer
