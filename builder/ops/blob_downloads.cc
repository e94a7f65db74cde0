#include "builder/ops/blob_downloads.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "builder/os/offload.h"
#include "builder/solver/phase_timer.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// Says that a download is over, in whatever way.
class Ending {
 public:
  explicit Ending(Arrival& arrival) : arrival_(arrival) {}
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;
  ~Ending() {
    arrival_.blob->close();
    arrival_.over = true;
    arrival_.begun.set();
  }

 private:
  Arrival& arrival_;
};

}  // namespace

std::string item_of(const Digest& blob) {
  return "sha256:" + std::string(blob.short_hex());
}

BlobDownloads::BlobDownloads(asio::any_io_executor executor,
                             const store::BlobStore& blobs,
                             registry::Client& registry,
                             asio::thread_pool& pool)
    : executor_(executor), blobs_(blobs), registry_(registry), pool_(pool), fetching_(executor) {}

std::shared_ptr<Arrival> BlobDownloads::of(const Digest& blob) {
  std::erase_if(arrivals_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Arrival>& known = arrivals_[blob];
  std::shared_ptr<Arrival> arrival = known.lock();
  if (!arrival || arrival->over) {
    arrival = std::make_shared<Arrival>(executor_, blobs_);
    known = arrival;
  }
  return arrival;
}

std::shared_ptr<Arrival> BlobDownloads::begin(const Digest& blob) {
  std::shared_ptr<Arrival> arrival = of(blob);
  // One that was cancelled may still be coming to its end.
  if (arrival->taken) {
    arrival = std::make_shared<Arrival>(executor_, blobs_);
    arrivals_[blob] = arrival;
  }
  arrival->taken = true;
  return arrival;
}

asio::awaitable<void> BlobDownloads::fetch(oci::Descriptor blob,
                                           std::string origin,
                                           registry::CredentialsProvider credentials,
                                           solver::Listener listener) {
  if (blobs_.has(blob.digest, blob.size_bytes)) co_return;
  if (origin.empty()) {
    throw Error(Errc::corrupt, "blob {} is gone from the store and no registry is known to have it",
                blob.digest.str());
  }
  std::string key = blob.digest.str();
  co_await fetching_.run(std::move(key), [this, blob, origin, credentials, listener] {
    return fetch_now(blob, origin, credentials, listener);
  });
}

asio::awaitable<bool> BlobDownloads::fetch_now(oci::Descriptor blob,
                                               std::string origin,
                                               registry::CredentialsProvider credentials,
                                               solver::Listener listener) {
  const std::shared_ptr<Arrival> arrival = begin(blob.digest);
  const Ending ending(*arrival);
  if (blobs_.has(blob.digest, blob.size_bytes)) co_return true;
  const registry::OpenSink open = [arrival, home = executor_] {
    auto sink = arrival->blob->open();
    asio::post(home, [arrival] { arrival->begun.set(); });
    return sink;
  };
  const std::string item = item_of(blob.digest);
  const registry::ProgressFn progress = [listener, item,
                                         total = blob.size_bytes](std::uint64_t current) {
    listener->progress(item, current, total);
  };
  solver::PhaseTimer timer(listener, Phase::pull, item);
  co_await registry_.get_blob(Reference::parse(origin), blob, open, credentials, progress);
  timer.stop(blob.size_bytes);
  auto commit = [&] { arrival->blob->commit(blob); };
  co_await os::offload(pool_, commit);
  co_return true;
}

}  // namespace kiln::ops
