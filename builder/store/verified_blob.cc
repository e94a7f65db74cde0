#include "builder/store/verified_blob.h"

#include <utility>

#include "proto/error.h"

namespace kiln::store {

namespace {

class VerifiedSource final : public Source {
 public:
  VerifiedSource(std::unique_ptr<Source> source, Digest digest)
      : source_(std::move(source)), digest_(std::move(digest)) {}

  std::size_t read(MutableBytes buffer) override {
    const std::size_t count = source_->read(buffer);
    if (count > 0) {
      sha_.update(Bytes(buffer).first(count));
    } else if (!std::exchange(ended_, true) && sha_.finish() != digest_) {
      throw Error(Errc::corrupt, "blob {}: its file in the store is damaged", digest_.str());
    }
    return count;
  }

 private:
  std::unique_ptr<Source> source_;
  Digest digest_;
  Sha256 sha_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Source> open_verified(const BlobStore& blobs, const Digest& digest) {
  return std::make_unique<VerifiedSource>(blobs.open(digest), digest);
}

}  // namespace kiln::store
