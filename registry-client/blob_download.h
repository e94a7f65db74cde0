// A blob on its way in: verified while it streams, written on the pool.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>

#include "proto/oci.h"
#include "registry-client/client.h"
#include "registry-client/session.h"

namespace kiln::registry {

/// The sink itself failed: neither another attempt nor another server helps.
struct SinkFailed {
  std::exception_ptr cause;
};

/// Streams the blob into a sink that `open` gives. Throws Error{corrupt} for wrong bytes,
/// SinkFailed, TemporaryError, RegistryError.
/// `session`, `pool` and `open` must outlive the await.
boost::asio::awaitable<void> download_blob(Session& session,
                                           boost::asio::thread_pool& pool,
                                           oci::Descriptor descriptor,
                                           const OpenSink& open,
                                           ProgressFn progress);

/// True when the repository has the blob.
boost::asio::awaitable<bool> blob_exists(Session& session, oci::Descriptor descriptor);

}  // namespace kiln::registry
