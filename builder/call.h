// Questions about a Dockerfile that are answered without executing anything: --call.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "builder/build.h"
#include "builder/services_parts.h"

namespace kiln {

/// True when `request` asks a question. Throws Error{invalid_input} for one that is not known.
[[nodiscard]] bool is_question(const BuildRequest& request);

/// The answer is in the metadata. Throws DockerfileError, Error.
boost::asio::awaitable<Finished> answer_question(const BuildRequest& request,
                                                 Caller& caller,
                                                 Services::Parts& parts);

}  // namespace kiln
