// Adding shards to a cache, beside others who do the same.
//
// Nothing is ever overwritten but the index, which lists what the tags say: a writer puts its shard
// under a tag of its own, then writes the index, and looks again; as long as the index lacks a
// shard that has a tag, or has been overwritten meanwhile, it is written again. The last writer
// therefore leaves an index of everything, and a reader in between misses records at most.
//
// Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <vector>

#include "builder/cache/read.h"

namespace kiln::cache {

/// Adds `fresh` (whose layers are there) to what `place` has; `contents` is what it had a moment
/// ago. Merges when there are more than kMaxShards, and removes what a merged shard replaces where
/// that is allowed. Writes nothing when there is nothing to add and the index is complete.
boost::asio::awaitable<void> publish(Place& place,
                                     std::vector<ShardImage> fresh,
                                     Contents contents,
                                     boost::asio::thread_pool& pool);

}  // namespace kiln::cache
