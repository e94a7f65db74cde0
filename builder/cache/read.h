// Reading what a place has.
//
// Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <string>
#include <vector>

#include "builder/cache/place.h"

namespace kiln::cache {

/// What the cache's name points to.
enum class Kind {
  absent,    ///< nothing
  shards,    ///< a cache
  image,     ///< an image, or several; perhaps with a cache in it
  buildkit,  ///< a cache of BuildKit's, whose keys are others
  other,
};

struct Contents {
  Kind kind = Kind::absent;
  std::map<Shard, Document> shards;
  std::vector<Document> documents;  ///< of images
  std::vector<std::string> faults;  ///< what could not be read, a sentence each
};

/// Reads the name and everything that it leads to, shards side by side. What is gone or damaged is
/// a fault; throws what reading the name itself throws.
boost::asio::awaitable<Contents> read_cache(Place& place, boost::asio::thread_pool& pool);

/// Reads shards' documents into `contents`, those that it does not have yet.
boost::asio::awaitable<void> read_shards(Place& place,
                                         std::set<Shard> shards,
                                         boost::asio::thread_pool& pool,
                                         Contents& contents);

}  // namespace kiln::cache
