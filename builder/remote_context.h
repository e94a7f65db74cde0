// Main contexts that are on the network: fetched into the store, then read like an archive.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "builder/build_context.h"
#include "builder/dockerfile/remote_context.h"

namespace kiln {

/// The tree of a repository's commit, fetched unless it is known; or what a web server gives: an
/// archive, which is unpacked, or a Dockerfile. `shown` names the context in messages. A lease of
/// the caller's keeps it. Throws Error.
boost::asio::awaitable<BuildContext> open_remote_context(dockerfile::RemoteContext source,
                                                         std::string shown,
                                                         ops::ClientInputs client,
                                                         solver::Listener listener,
                                                         Services::Parts& parts);

}  // namespace kiln
