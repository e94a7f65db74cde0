// SOURCE_DATE_EPOCH by a name: the date of what the build is made from.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "builder/prepare.h"

namespace kiln {

/// Puts seconds in the place of the name that SOURCE_DATE_EPOCH has: of a repository, when its
/// commit was made; of a file, when the server says that it changed. "context" is the main context,
/// and leaves the argument unset where that has no date, as a directory of the client. Throws
/// DockerfileError, Error. source: BuildKit docs/build-repro.md
boost::asio::awaitable<void> resolve_source_date(const BuildInputs& inputs,
                                                 dockerfile::LowerOptions& options,
                                                 Services::Parts& parts);

}  // namespace kiln
