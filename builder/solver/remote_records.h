// Records that other machines made, asked after the local ones.
//
// One implementation beside the tests': builder/remote_cache.h. Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "builder/solver/content_key.h"
#include "builder/store/foreign_layer.h"

namespace kiln::solver {

/// A record in terms that all machines share.
struct RemoteRecord {
  std::string key;
  std::string name;
  std::string parts;
  std::int64_t created_ns = 0;
  std::vector<store::ForeignLayer> layers;  ///< the whole root file system, bottom first
  /// The content key's own part and its whole inputs, layers by their place in `layers`.
  std::optional<Digest> content;
  std::vector<WholeInput<std::size_t>> whole;
  std::string from;  ///< the cache that has it, as the user typed it
};

class RemoteRecords {
 public:
  virtual ~RemoteRecords() = default;

  /// Reads what the caches have; once, however often it is asked. A cache that cannot be read is
  /// the implementation's to tell about, and no error.
  virtual boost::asio::awaitable<void> load() = 0;

  /// The record of a definition key; nullopt when no cache has it or what it needs cannot be had.
  virtual boost::asio::awaitable<std::optional<RemoteRecord>> by_key(std::string key) = 0;

  /// The same by a portable content key; without load() nothing is found.
  virtual boost::asio::awaitable<std::optional<RemoteRecord>> by_content(std::string key) = 0;
};

}  // namespace kiln::solver
