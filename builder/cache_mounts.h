// What users do with cache mounts besides mounting them: list, save, load, remove.
//
// An id is what the Dockerfile says; unknown: Error{not_found}.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "builder/build.h"
#include "builder/services.h"
#include "proto/cache_messages.h"

namespace kiln {

boost::asio::awaitable<std::vector<CacheMountSummary>> list_cache_mounts(Services& services);

/// Writes the last used directory of an id to the descriptor output:0. Waits until no step uses it;
/// steps that want it meanwhile wait until it is packed, not until a slow reader has it.
boost::asio::awaitable<Finished> save_cache_mount(CacheTransferRequest request,
                                                  Caller& caller,
                                                  Services& services);
/// Reads the descriptor `context` to its end, and only then lets the content take the place of all
/// that the id has, or with `merge` adds it to the last used directory. Steps that use the old
/// content keep it.
boost::asio::awaitable<Finished> load_cache_mount(CacheTransferRequest request,
                                                  Caller& caller,
                                                  Services& services);
boost::asio::awaitable<CacheMountsRemoved> remove_cache_mounts(std::string id, Services& services);

}  // namespace kiln
