// Layers as they are needed: unpacked to be mounted, or as blobs to be pushed. Either form is made
// from the other, or fetched from the registry that has it; each once, however many ask.
//
// Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "builder/ops/blob_downloads.h"
#include "builder/ops/unpacker.h"
#include "builder/solver/executor.h"
#include "builder/solver/in_flight.h"
#include "builder/store/store.h"
#include "proto/oci.h"
#include "registry-client/client.h"

namespace kiln::ops {

class Layers {
 public:
  /// All references outlive it. `processors`: threads of one layer's compression, and how many
  /// layers are unpacked while they are downloaded.
  Layers(boost::asio::any_io_executor executor,
         store::Store& store,
         registry::Client& registry,
         boost::asio::thread_pool& pool,
         int processors);

  /// The rows of an image's layers, made where they are not known: nothing is downloaded.
  /// Throws Error{corrupt} when manifest and configuration differ in the number of layers.
  boost::asio::awaitable<solver::Stack> of_image(oci::Manifest manifest,
                                                 oci::ImageConfig config,
                                                 std::string origin);

  /// The snapshot directories of a stack, bottom first, among them what puts implied directories in
  /// order, if there are any; layers are downloaded and unpacked side by side.
  boost::asio::awaitable<std::vector<std::filesystem::path>> unpacked(
      solver::Stack stack, registry::CredentialsProvider credentials, solver::Listener listener);

  /// The rows of a stack with all blobs in the store; missing ones are made or downloaded side by
  /// side.
  boost::asio::awaitable<std::vector<store::LayerRow>> with_blobs(
      solver::Stack stack, registry::CredentialsProvider credentials, solver::Listener listener);

  /// Makes or downloads again what is missing of an image's layer blobs and what the store has a
  /// layer for; the rest stays missing.
  boost::asio::awaitable<void> restore_blobs(oci::Manifest manifest,
                                             registry::CredentialsProvider credentials,
                                             solver::Listener listener);

  /// BlobDownloads a blob unless it is here; verified.
  boost::asio::awaitable<void> fetch(oci::Descriptor blob,
                                     std::string origin,
                                     registry::CredentialsProvider credentials,
                                     solver::Listener listener);

  /// True when the layer can be had in some form: unpacked, as a blob, or from its origin.
  [[nodiscard]] bool available(const store::LayerRow& layer) const;

  [[nodiscard]] int compression_threads() const noexcept { return processors_; }

  /// Waits until no background work is left.
  boost::asio::awaitable<void> drain();

 private:
  boost::asio::awaitable<void> unpack_one(store::LayerId layer,
                                          registry::CredentialsProvider credentials,
                                          solver::Listener listener);
  boost::asio::awaitable<bool> unpack_now(store::LayerId layer,
                                          registry::CredentialsProvider credentials,
                                          solver::Listener listener);
  boost::asio::awaitable<void> blob_of_one(store::LayerId layer,
                                           registry::CredentialsProvider credentials,
                                           solver::Listener listener);
  boost::asio::awaitable<bool> blob_now(store::LayerId layer,
                                        registry::CredentialsProvider credentials,
                                        solver::Listener listener);
  [[nodiscard]] bool has_snapshot(const store::LayerRow& layer) const;
  [[nodiscard]] std::vector<std::filesystem::path> directories_of(
      const store::LayerRow& layer) const;
  boost::asio::awaitable<store::LayerRow> row(store::LayerId layer);
  boost::asio::awaitable<std::size_t> count_to_top_implied(solver::Stack stack);
  boost::asio::awaitable<std::filesystem::path> implied_of(solver::Stack stack);

  store::Store& store_;
  boost::asio::thread_pool& pool_;
  int processors_;
  BlobDownloads downloads_;
  Unpacker unpacker_;
  solver::InFlight<bool> unpacking_;
  solver::InFlight<bool> making_blobs_;
};

}  // namespace kiln::ops
