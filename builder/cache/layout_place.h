// A cache in an OCI layout: a directory of the client's, which is read and written with the
// client's own file rights.
#pragma once

#include <memory>
#include <string>

#include "builder/cache/place.h"
#include "builder/ops/layers.h"
#include "builder/os/dir.h"
#include "builder/os/peer.h"
#include "registry-client/client.h"

namespace kiln::cache {

/// The directory, and what it is used with; the references outlive the place.
struct Layout {
  os::Fd directory;  ///< a directory, O_RDONLY
  os::Peer peer;
  std::string name;  ///< as the user typed it
  std::string tag;   ///< the entry of index.json
  store::Store& store;
  ops::Layers& layers;
  boost::asio::thread_pool& pool;
  registry::CredentialsProvider credentials;  ///< of layers that a registry still has
};

[[nodiscard]] std::unique_ptr<Place> open_layout(Layout layout);

}  // namespace kiln::cache
