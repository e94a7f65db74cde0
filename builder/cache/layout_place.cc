#include "builder/cache/layout_place.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <vector>

#include "builder/cache/layout_files.h"
#include "builder/layer/compress.h"
#include "builder/os/cancellable.h"
#include "builder/os/file.h"
#include "builder/store/verified_blob.h"
#include "proto/error.h"

namespace kiln::cache {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} * 1024;
constexpr std::chrono::milliseconds kLockPause{100};

/// Takes a blob into the store. What is inside must be what the record says: in the store it counts
/// as seen.
void take_blob(const LayoutFiles& files,
               const store::ForeignLayer& layer,
               const store::BlobStore& blobs,
               std::stop_token stop) {
  const auto pass = [&stop](Source& from, Sink& to) {
    std::vector<std::byte> buffer(kChunkBytes);
    while (const std::size_t count = from.read(buffer)) {
      if (stop.stop_requested()) throw Error(Errc::cancelled, "cancelled");
      to.write(Bytes(buffer).first(count));
    }
    to.finish();
  };
  if (!blobs.has(layer.blob, layer.blob_bytes)) {
    os::FileSource from(files.open(layer.blob), layer.blob.str());
    store::BlobWriter writer = blobs.writer();
    VerifyingSink verified(writer, layer.blob, layer.blob_bytes);
    pass(from, verified);
    blobs.commit(std::move(writer), layer.blob);
  }
  struct Discard final : Sink {
    void write(Bytes) override {}
  } discard;
  VerifyingSink verified(discard, layer.diff_id.digest, std::nullopt);
  const auto tar = layer::make_decompressor(blobs.open(layer.blob), /*archives=*/false);
  pass(*tar, verified);
}

class LayoutPlace final : public Place {
 public:
  explicit LayoutPlace(Layout layout)
      : files_(std::move(layout.directory), std::move(layout.peer)),
        name_(std::move(layout.name)),
        tag_(std::move(layout.tag)),
        store_(layout.store),
        layers_(layout.layers),
        pool_(layout.pool),
        credentials_(std::move(layout.credentials)) {}
  ~LayoutPlace() override {
    if (locked_) files_.unlock();
  }
  LayoutPlace(const LayoutPlace&) = delete;
  LayoutPlace& operator=(const LayoutPlace&) = delete;

  const std::string& name() const override { return name_; }
  std::string origin() const override { return ""; }
  std::string tag_of(const Shard& shard) const override { return shard_tag(tag_, shard.manifest); }

  asio::awaitable<std::optional<std::string>> read_root() override {
    auto read = [this]() -> std::optional<std::string> {
      const auto root = files_.find(tag_);
      if (!root) return std::nullopt;
      return files_.read(root->digest);
    };
    co_return co_await os::offload(pool_, read);
  }

  asio::awaitable<std::string> read_manifest(Digest digest) override {
    auto read = [&] { return files_.read(digest); };
    co_return co_await os::offload(pool_, read);
  }

  asio::awaitable<std::string> read_config(Digest digest, std::uint64_t) override {
    co_return co_await read_manifest(std::move(digest));
  }

  asio::awaitable<void> bring(std::vector<store::ForeignLayer> layers) override {
    auto unseen = [&layers](store::Tables& tables) {
      std::erase_if(layers, [&tables](const store::ForeignLayer& layer) {
        return !layer.origin.empty() || store::seen_layer(tables, layer.diff_id).has_value();
      });
    };
    co_await store_.database().run(unseen);
    auto take = [&](std::stop_token stop) {
      for (const store::ForeignLayer& layer : layers)
        take_blob(files_, layer, store_.blobs(), stop);
      return true;
    };
    co_await os::offload_cancellable(pool_, take);
  }

  asio::awaitable<void> begin_writing() override {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (!files_.try_lock()) {
      timer.expires_after(kLockPause);
      co_await timer.async_wait(asio::use_awaitable);
    }
    locked_ = true;
  }

  /// Nobody else writes: what the index lists is all that there is.
  asio::awaitable<std::optional<std::set<std::string>>> shard_tags() override {
    std::set<std::string> tags;
    if (const auto root = co_await read_root()) {
      for (const Shard& shard : parse_index(*root))
        tags.insert(tag_of(shard));
    }
    co_return tags;
  }

  asio::awaitable<std::optional<Shard>> find_shard(std::string) override { co_return std::nullopt; }

  asio::awaitable<void> put_layer(store::LayerRow layer, solver::Listener listener) override {
    co_await layers_.with_blobs({layer.id}, credentials_, listener);
    auto write = [&](std::stop_token) {
      const auto source = store::open_verified(store_.blobs(), *layer.blob);
      files_.write(*layer.blob, layer.blob_bytes, *source);
      return true;
    };
    co_await os::offload_cancellable(pool_, write);
  }

  asio::awaitable<void> put_shard(ShardImage image) override {
    co_await put_document(image.shard.config, std::move(image.config));
    co_await put_document(image.shard.manifest, std::move(image.manifest));
  }

  asio::awaitable<void> put_root(std::string index) override {
    const Digest digest = sha256(index);
    const std::uint64_t bytes = index.size();
    co_await put_document(digest, std::move(index));
    auto write = [&] {
      const auto before = files_.find(tag_);
      files_.name(tag_, {std::string(oci::kIndex), digest, bytes, {}, {}});
      if (before && before->digest != digest) files_.remove(before->digest);
    };
    co_await os::offload(pool_, write);
  }

  asio::awaitable<void> remove_shard(Shard) override { co_return; }

 private:
  asio::awaitable<void> put_document(Digest digest, std::string text) {
    auto write = [&] {
      BytesSource source(as_bytes(text));
      files_.write(digest, text.size(), source);
    };
    co_await os::offload(pool_, write);
  }

  LayoutFiles files_;
  std::string name_;
  std::string tag_;
  store::Store& store_;
  ops::Layers& layers_;
  asio::thread_pool& pool_;
  registry::CredentialsProvider credentials_;
  bool locked_ = false;
};

}  // namespace

std::unique_ptr<Place> open_layout(Layout layout) {
  return std::make_unique<LayoutPlace>(std::move(layout));
}

}  // namespace kiln::cache
