// A cache in a repository of a registry.
#pragma once

#include <memory>
#include <string>

#include "builder/cache/place.h"
#include "builder/ops/layers.h"
#include "proto/reference.h"
#include "registry-client/client.h"

namespace kiln::cache {

/// What a place in a registry works with; outlives it.
struct RegistryTools {
  store::Store& store;
  registry::Client& registry;
  ops::Layers& layers;
  boost::asio::thread_pool& pool;
  std::vector<Reference> pushed;  ///< where the image went: its layers can be mounted from there
};

/// The cache `reference`, with a tag or latest; to be read alone, a digest does. Throws
/// Error{invalid_input} for a name that cannot be a cache's.
[[nodiscard]] std::unique_ptr<Place> open_registry(const std::string& reference,
                                                   registry::CredentialsProvider credentials,
                                                   RegistryTools tools);

}  // namespace kiln::cache
