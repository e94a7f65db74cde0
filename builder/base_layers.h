// The layers of a graph's base images.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "builder/cache/catalog.h"
#include "builder/graph/graph.h"
#include "builder/services_parts.h"

namespace kiln {

/// By diff id, with where the image itself comes from: only what its manifest says, which its
/// digest proves. Images that no registry has are left out.
boost::asio::awaitable<cache::BaseLayers> base_layers(std::shared_ptr<const graph::Graph> graph,
                                                      Services::Parts& parts);

}  // namespace kiln
