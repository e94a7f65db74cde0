// A layer's blob, here or still to be downloaded → its snapshot directory.
//
// Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <optional>

#include "builder/ops/blob_downloads.h"
#include "builder/ops/unpack_layer.h"
#include "builder/solver/executor.h"
#include "builder/store/store.h"
#include "proto/oci.h"
#include "registry-client/client.h"

namespace kiln::ops {

class Unpacker {
 public:
  /// All references outlive it.
  Unpacker(store::Store& store,
           BlobDownloads& downloads,
           boost::asio::thread_pool& pool,
           int processors);

  /// Downloads the blob that `layer` names unless it is here, and unpacks it, while it arrives
  /// where that pays. A blob that was damaged in the store is downloaded again. Blob and snapshot
  /// are verified and in place afterwards.
  boost::asio::awaitable<Unpacked> unpack(store::LayerRow layer,
                                          registry::CredentialsProvider credentials,
                                          solver::Listener listener);

 private:
  boost::asio::awaitable<Unpacked> unpack_blob(const store::LayerRow& layer,
                                               registry::CredentialsProvider credentials,
                                               solver::Listener listener);
  boost::asio::awaitable<std::optional<Unpacked>> unpack_download(
      const store::LayerRow& layer,
      registry::CredentialsProvider credentials,
      solver::Listener listener);
  boost::asio::awaitable<void> fetch_for(Arrival& arrival,
                                         const store::LayerRow& layer,
                                         registry::CredentialsProvider credentials,
                                         solver::Listener listener);
  boost::asio::awaitable<void> follow(Arrival& arrival,
                                      const store::LayerRow& layer,
                                      solver::Listener listener,
                                      std::optional<Unpacked>& result);

  store::Store& store_;
  BlobDownloads& downloads_;
  boost::asio::thread_pool& pool_;
  // Waits for networks, which the pool must not: downloads need it to go on.
  boost::asio::thread_pool followers_;
  int free_followers_;
};

/// The descriptor of a layer that has a blob.
[[nodiscard]] oci::Descriptor blob_of(const store::LayerRow& layer);

}  // namespace kiln::ops
