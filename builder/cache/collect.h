// From what a build has solved to documents: the records of this store in terms that all share.
//
// Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <set>
#include <string>
#include <vector>

#include "builder/cache/catalog.h"
#include "builder/ops/layers.h"

namespace kiln::cache {

/// Records of this store with the rows of all their layers.
struct Collection {
  std::vector<store::RecordRow> records;
  std::map<store::LayerId, store::LayerRow> layers;
};

/// The records of `keys` that are still there, in that order.
boost::asio::awaitable<Collection> collect(std::vector<std::string> keys,
                                           store::Database& database);

/// Makes blobs of those layers that have none yet, unless they are a base image's: only then can a
/// document name them. Side by side.
boost::asio::awaitable<void> complete(Collection& collection,
                                      const BaseLayers& bases,
                                      ops::Layers& layers,
                                      registry::CredentialsProvider credentials,
                                      solver::Listener listener,
                                      store::Database& database);

/// How records are told.
struct Telling {
  std::int64_t exported_s = 0;  ///< CachedRecord::exported_s
  bool with_parts = true;
};

/// Documents of all records, as many as their size needs.
[[nodiscard]] std::vector<Document> to_documents(const Collection& collection,
                                                 const BaseLayers& bases,
                                                 Telling telling);

/// The layers of the collection that are no base image's, each once.
[[nodiscard]] std::vector<store::LayerRow> own_layers(const Collection& collection,
                                                      const BaseLayers& bases);

}  // namespace kiln::cache
