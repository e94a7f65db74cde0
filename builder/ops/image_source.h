// FROM: references resolved to manifests, manifests to layers.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "builder/ops/executor.h"
#include "proto/oci.h"
#include "proto/reference.h"

namespace kiln::ops {

/// What a reference names for one platform; manifest and configuration are in the blob store.
struct ResolvedReference {
  Digest manifest;
  oci::Manifest document;
  oci::ImageConfig config;
};

/// Resolves a reference: an image of this store, else what the registry said last, else the
/// registry now; with `pull` the registry is always asked. Throws Error naming the reference.
boost::asio::awaitable<ResolvedReference> resolve_reference(
    Reference reference,
    Platform platform,
    bool pull,
    registry::CredentialsProvider credentials,
    Workshop& workshop);

/// The layers of a resolved image, downloaded and unpacked.
boost::asio::awaitable<solver::Stack> load_image(const graph::ImageSource& image,
                                                 registry::CredentialsProvider credentials,
                                                 solver::Listener listener,
                                                 Workshop& workshop);

/// Manifest and configuration out of the blob store; Error{not_found} or {corrupt} when they are
/// not whole.
[[nodiscard]] ResolvedReference read_image(const store::BlobStore& blobs, const Digest& manifest);

}  // namespace kiln::ops
