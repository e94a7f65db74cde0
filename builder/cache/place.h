// Where a cache is kept: a repository of a registry, or an OCI layout in a directory of the
// client's.
//
// A place is read and written through these few operations; what they mean together is publish.h's
// and read.h's. Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "builder/cache/shard.h"
#include "builder/solver/executor.h"
#include "builder/store/foreign_layer.h"

namespace kiln::cache {

class Place {
 public:
  virtual ~Place() = default;

  /// What messages call it: what the user typed.
  [[nodiscard]] virtual const std::string& name() const = 0;

  // Reading.

  /// The manifest or index that the cache's name points to; nullopt when there is none.
  virtual boost::asio::awaitable<std::optional<std::string>> read_root() = 0;
  virtual boost::asio::awaitable<std::string> read_manifest(Digest digest) = 0;
  /// A configuration, verified; at most oci::kMaxDocumentBytes. Throws Error{not_found}.
  virtual boost::asio::awaitable<std::string> read_config(Digest digest, std::uint64_t bytes) = 0;
  /// The registry/repository that layers of the cache can be fetched from at any time; "" when they
  /// must be brought at once.
  [[nodiscard]] virtual std::string origin() const = 0;
  /// Brings layers without an origin into the blob store, blob and diff id verified.
  virtual boost::asio::awaitable<void> bring(std::vector<store::ForeignLayer> layers) = 0;

  // Writing.

  /// Keeps other writers out where they must be, for as long as the place lives.
  virtual boost::asio::awaitable<void> begin_writing() { co_return; }

  /// The shards that there are, by their tags; nullopt where a registry lists none.
  virtual boost::asio::awaitable<std::optional<std::set<std::string>>> shard_tags() = 0;
  /// The shard of a tag; nullopt when it has gone.
  virtual boost::asio::awaitable<std::optional<Shard>> find_shard(std::string tag) = 0;
  /// Brings a layer there, unless it is; a blob that has to be sent is in the store, or made.
  virtual boost::asio::awaitable<void> put_layer(store::LayerRow layer,
                                                 solver::Listener listener) = 0;
  /// Its layers are there.
  virtual boost::asio::awaitable<void> put_shard(ShardImage shard) = 0;
  virtual boost::asio::awaitable<void> put_root(std::string index) = 0;
  /// Removes a shard that another one replaces; not every place can.
  virtual boost::asio::awaitable<void> remove_shard(Shard shard) = 0;
  /// The tag that the place gives to shards: what shard_tags() has.
  [[nodiscard]] virtual std::string tag_of(const Shard& shard) const = 0;
};

}  // namespace kiln::cache
