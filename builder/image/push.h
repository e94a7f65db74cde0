// An image of the store → a registry: blobs, then configuration, then manifest, then the name.
//
// Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "builder/store/store.h"
#include "registry-client/client.h"

namespace kiln::image {

/// Bytes sent so far of one blob: item, current, total.
using PushProgress = std::function<void(std::string_view, std::uint64_t, std::uint64_t)>;

/// Where blobs are known to be: digest → registry/repository. Lets the registry mount instead of
/// receive.
using Origins = std::map<Digest, std::string>;

/// Pushes the manifest or index `root` under `target`. Blobs that the registry has are not sent.
boost::asio::awaitable<void> push(store::Store& store,
                                  registry::Client& registry,
                                  boost::asio::thread_pool& pool,
                                  oci::Descriptor root,
                                  Reference target,
                                  Origins origins,
                                  registry::CredentialsProvider credentials,
                                  PushProgress progress);

}  // namespace kiln::image
