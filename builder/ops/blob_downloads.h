// Blobs fetched from registries into the store; each once, however many ask.
//
// Thread: the event loop's.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <string>

#include "builder/os/task_group.h"
#include "builder/solver/executor.h"
#include "builder/solver/in_flight.h"
#include "builder/store/blob_store.h"
#include "builder/store/growing_blob.h"
#include "proto/oci.h"
#include "registry-client/client.h"

namespace kiln::ops {

/// A download from before it begins until it is over.
struct Arrival {
  Arrival(boost::asio::any_io_executor executor, const store::BlobStore& blobs)
      : blob(std::make_shared<store::GrowingBlob>(blobs)), begun(std::move(executor)) {}

  std::shared_ptr<store::GrowingBlob> blob;
  os::Event begun;     ///< the first bytes are to come, or the download is over
  bool taken = false;  ///< somebody downloads
  bool over = false;   ///< committed or failed, or there was nothing to do
};

class BlobDownloads {
 public:
  /// All references outlive it.
  BlobDownloads(boost::asio::any_io_executor executor,
                const store::BlobStore& blobs,
                registry::Client& registry,
                boost::asio::thread_pool& pool);

  /// Downloads a blob unless it is here; verified.
  boost::asio::awaitable<void> fetch(oci::Descriptor blob,
                                     std::string origin,
                                     registry::CredentialsProvider credentials,
                                     solver::Listener listener);

  /// The download of the blob that is running, or else the next one.
  [[nodiscard]] std::shared_ptr<Arrival> of(const Digest& blob);

  /// Waits until nothing is downloaded.
  boost::asio::awaitable<void> drain() { co_await fetching_.drain(); }

 private:
  boost::asio::awaitable<bool> fetch_now(oci::Descriptor blob,
                                         std::string origin,
                                         registry::CredentialsProvider credentials,
                                         solver::Listener listener);
  std::shared_ptr<Arrival> begin(const Digest& blob);

  boost::asio::any_io_executor executor_;
  const store::BlobStore& blobs_;
  registry::Client& registry_;
  boost::asio::thread_pool& pool_;
  std::map<Digest, std::weak_ptr<Arrival>> arrivals_;
  solver::InFlight<bool> fetching_;
};

/// What people see of a layer that is moved: the blob's short digest.
[[nodiscard]] std::string item_of(const Digest& blob);

}  // namespace kiln::ops
