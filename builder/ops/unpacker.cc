#include "builder/ops/unpacker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "builder/os/cancellable.h"
#include "builder/os/task_group.h"
#include "builder/solver/phase_timer.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// A smaller layer is here before a thread has begun to look at it.
constexpr std::uint64_t kMinFollowedBytes = 512UL * 1024;
/// Layers being unpacked while they arrive: each takes 2 MB. More than a registry sends at once.
constexpr int kMaxFollowers = 6;

/// One of the followers, while it is busy.
class FollowerPlace {
 public:
  explicit FollowerPlace(int& free) : free_(free) { --free_; }
  FollowerPlace(const FollowerPlace&) = delete;
  FollowerPlace& operator=(const FollowerPlace&) = delete;
  ~FollowerPlace() { ++free_; }

 private:
  int& free_;
};

}  // namespace

oci::Descriptor blob_of(const store::LayerRow& layer) {
  return {layer.media_type, layer.blob.value(), layer.blob_bytes, {}, {}};
}

Unpacker::Unpacker(store::Store& store,
                   BlobDownloads& downloads,
                   asio::thread_pool& pool,
                   int processors)
    : store_(store),
      downloads_(downloads),
      pool_(pool),
      followers_(static_cast<std::size_t>(std::min(processors + 1, kMaxFollowers))),
      free_followers_(std::min(processors + 1, kMaxFollowers)) {}

asio::awaitable<Unpacked> Unpacker::unpack(store::LayerRow layer,
                                           registry::CredentialsProvider credentials,
                                           solver::Listener listener) {
  if (!store_.blobs().has(layer.blob.value(), layer.blob_bytes)) {
    std::optional<Unpacked> result = co_await unpack_download(layer, credentials, listener);
    if (result) co_return std::move(*result);
  }
  co_return co_await unpack_blob(layer, credentials, listener);
}

/// Blob → snapshot; a blob that was damaged here is fetched again.
asio::awaitable<Unpacked> Unpacker::unpack_blob(const store::LayerRow& layer,
                                                registry::CredentialsProvider credentials,
                                                solver::Listener listener) {
  auto work = [this, &layer](std::stop_token stop) -> std::optional<Unpacked> {
    try {
      return unpack_layer(store_, layer, store_.blobs().open(*layer.blob), std::move(stop));
    } catch (const Error& error) {
      // One that is wrong by itself stays wrong.
      if (error.code() != Errc::corrupt || store_.blobs().is_sound(*layer.blob)) throw;
      return std::nullopt;
    }
  };
  solver::PhaseTimer timer(listener, Phase::unpack, item_of(*layer.blob));
  std::optional<Unpacked> result = co_await os::offload_cancellable(pool_, work);
  if (!result) {
    co_await downloads_.fetch(blob_of(layer), layer.origin, credentials, listener);
    result = co_await os::offload_cancellable(pool_, work);
    if (!result) throw Error(Errc::corrupt, "blob {}: damaged again", layer.blob->str());
  }
  timer.stop(result->disk_bytes);
  co_return std::move(*result);
}

/// Downloads the layer's blob unless it is here, and unpacks it while it arrives: nullopt when
/// that has not come about. Then the blob is here.
asio::awaitable<std::optional<Unpacked>> Unpacker::unpack_download(
    const store::LayerRow& layer,
    registry::CredentialsProvider credentials,
    solver::Listener listener) {
  const std::shared_ptr<Arrival> arrival = downloads_.of(*layer.blob);
  std::optional<Unpacked> result;
  std::vector<asio::awaitable<void>> tasks;
  tasks.push_back(follow(*arrival, layer, listener, result));
  tasks.push_back(fetch_for(*arrival, layer, credentials, listener));
  co_await os::all_of(std::move(tasks));
  co_return result;
}

asio::awaitable<void> Unpacker::fetch_for(Arrival& arrival,
                                          const store::LayerRow& layer,
                                          registry::CredentialsProvider credentials,
                                          solver::Listener listener) {
  co_await downloads_.fetch(blob_of(layer), layer.origin, credentials, listener);
  arrival.begun.set();  // also when there was nothing to download
}

/// Unpacks an arrival. What goes wrong with that is left to the download to say, or to the
/// unpacking of the blob that it leaves.
asio::awaitable<void> Unpacker::follow(Arrival& arrival,
                                       const store::LayerRow& layer,
                                       solver::Listener listener,
                                       std::optional<Unpacked>& result) {
  co_await arrival.begun.wait();
  if (!arrival.taken || arrival.over || layer.blob_bytes < kMinFollowedBytes ||
      free_followers_ == 0)
    co_return;
  const FollowerPlace place(free_followers_);
  auto work = [this, &arrival, &layer](std::stop_token stop) {
    return unpack_arriving(store_, layer, arrival.blob, std::move(stop));
  };
  solver::PhaseTimer timer(listener, Phase::unpack, item_of(*layer.blob));
  result = co_await os::offload_cancellable(followers_, work);
  if (result) timer.stop(result->disk_bytes);
}

}  // namespace kiln::ops
