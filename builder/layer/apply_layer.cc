#include "builder/layer/apply_layer.h"

#include <vector>

#include "builder/layer/compress.h"
#include "builder/layer/extract.h"
#include "builder/layer/read_ahead.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

class HashingSource final : public Source {
 public:
  explicit HashingSource(Source& inner) : inner_(inner) {}

  std::size_t read(MutableBytes buffer) override {
    const std::size_t count = inner_.read(buffer);
    sha_.update(Bytes(buffer).first(count));
    count_bytes_ += count;
    return count;
  }

  [[nodiscard]] Digest digest() { return sha_.finish(); }
  [[nodiscard]] std::uint64_t count_bytes() const { return count_bytes_; }

 private:
  Source& inner_;
  Sha256 sha_;
  std::uint64_t count_bytes_ = 0;
};

}  // namespace

Applied apply_layer(std::unique_ptr<Source> blob, const os::Dir& target, std::stop_token stop) {
  const std::unique_ptr<Source> tar = make_decompressor(std::move(blob), false);
  std::uint64_t content_bytes = 0;
  std::vector<std::string> implied;
  // Hashed on this side of the thread that reads ahead: inflating takes as long as hashing and
  // writing files together.
  ReadAhead ahead(*tar);
  HashingSource hashed(ahead);
  {
    TarReader reader(hashed);
    TreeWriter tree(target, Purpose::layer);
    content_bytes = extract(reader, tree, {.whiteouts = true, .uid = {}, .gid = {}}, stop);
    implied = tree.implied();
    // The diff id covers what may follow the end of the archive; and reading on is what finds
    // out that the compressed stream is damaged there.
    std::vector<std::byte> rest(64 * 1024);
    while (hashed.read(rest) > 0) {
      if (stop.stop_requested()) throw Error(Errc::cancelled, "unpack: cancelled");
    }
  }
  return {DiffId{hashed.digest()}, hashed.count_bytes(), content_bytes, std::move(implied)};
}

}  // namespace kiln::layer
