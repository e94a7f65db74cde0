// From a solved platform to its image: configuration and manifest.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "builder/dockerfile/lower.h"
#include "builder/services_parts.h"

namespace kiln {

struct PlatformImage {
  oci::Descriptor manifest;
  Digest config;
};

/// Stores configuration and manifest. `layers`: all of the image, with their blobs; each step of
/// `lowered` that has a vertex made one of the topmost. `cache`: what the configuration says of the
/// build cache, or "". `lowered` outlives the call.
boost::asio::awaitable<PlatformImage> store_platform_image(const dockerfile::Lowered& lowered,
                                                           std::vector<store::LayerRow> layers,
                                                           std::string cache,
                                                           Services::Parts& parts);

/// Runs `work`, and where it takes longer than what a small build needs, lets the disk take
/// meanwhile what the build has written: the sync before the image is named then has little left.
boost::asio::awaitable<void> with_early_sync(boost::asio::awaitable<void> work,
                                             Services::Parts& parts);

}  // namespace kiln
