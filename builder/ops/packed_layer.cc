#include "builder/ops/packed_layer.h"

#include "builder/ops/layer_blob.h"
#include "builder/os/cancellable.h"
#include "builder/solver/phase_timer.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// What is packed in less time than an upload takes to begin is not worth to be followed.
constexpr std::uint64_t kMinFollowedBytes = 16UL * 1024 * 1024;

/// A blob that is written for others to read, and closed when it is done or given up.
class Followed {
 public:
  explicit Followed(const store::BlobStore& blobs)
      : blob_(std::make_shared<store::GrowingBlob>(blobs)) {}
  Followed(const Followed&) = delete;
  Followed& operator=(const Followed&) = delete;
  ~Followed() { blob_->close(); }
  [[nodiscard]] const std::shared_ptr<store::GrowingBlob>& blob() const noexcept { return blob_; }

 private:
  std::shared_ptr<store::GrowingBlob> blob_;
};

}  // namespace

asio::awaitable<solver::Stack> add_packed_layer(Workshop& workshop,
                                                solver::Stack base,
                                                std::shared_ptr<snapshot::Workspace> workspace,
                                                PackedFiles& files,
                                                solver::Listener listener,
                                                BlobObserver begun,
                                                store::LayerId predecessor) {
  BlobSources sources{{workspace->upper()}, {}, std::nullopt, {}, &files, nullptr};
  auto read = [&](store::Tables& tables) {
    sources.predecessor = tables.layer(predecessor);
    sources.predecessor_blocks = tables.layer_blocks(predecessor);
  };
  co_await workshop.store.database().run(read);
  std::optional<Followed> followed;
  if (begun && files.total_bytes() >= kMinFollowedBytes) {
    followed.emplace(workshop.store.blobs());
    sources.growing = followed->blob().get();
    begun(followed->blob());
  }
  auto work = [&](std::stop_token stop) {
    workspace->unmount();
    return write_blob(workshop.store, sources, workshop.layers.compression_threads(),
                      std::move(stop));
  };
  solver::PhaseTimer timer(std::move(listener), Phase::compress);
  const layer::LayerBlob blob = co_await os::offload_cancellable(workshop.pool, work);
  timer.stop(blob.tar_bytes);
  // Both at once: a row with neither snapshot nor blob would be of no use.
  auto add = [&](store::Tables& tables) {
    store::LayerRow row;
    row.predecessor = predecessor;
    row.created_ns = os::now_ns();
    const store::LayerId layer = tables.add_layer(row);
    keep_blob(tables, layer, blob);
    return layer;
  };
  base.push_back(co_await workshop.store.database().run(add));
  co_return base;
}

}  // namespace kiln::ops
