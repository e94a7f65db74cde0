// Manifests and indexes of one repository, as bytes.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "proto/reference.h"
#include "registry-client/client.h"
#include "registry-client/session.h"

namespace kiln::registry {

/// Fetches what `reference` names from the session's server. Throws Error{corrupt} when the bytes
/// are not those that the reference or the server's Docker-Content-Digest names.
/// `session` must outlive the await.
boost::asio::awaitable<RawManifest> fetch_manifest(Session& session, Reference reference);

/// Stores a manifest under the reference's tag, else its digest.
boost::asio::awaitable<void> store_manifest(Session& session,
                                            Reference reference,
                                            std::string bytes,
                                            std::string media_type);

/// Removes the manifest of the reference's digest.
boost::asio::awaitable<void> remove_manifest(Session& session, Reference reference);

}  // namespace kiln::registry
