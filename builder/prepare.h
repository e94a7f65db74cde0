// What a build needs before anything runs: the Dockerfile, its ignore patterns, base images, and
// the graph.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "builder/build.h"
#include "builder/dockerfile/lower.h"
#include "builder/dockerfile/remote_context.h"
#include "builder/named_contexts.h"
#include "builder/services_parts.h"

namespace kiln {

/// The request's files, read once.
struct BuildInputs {
  dockerfile::Document document;
  std::vector<dockerfile::Diagnostic> mistakes;  ///< what of the Dockerfile could not be parsed
  std::vector<std::string> ignore;               ///< patterns
  ops::ClientInputs client;
  std::optional<dockerfile::RemoteContext> remote;  ///< where the main context came from
  dockerfile::NamedContexts contexts;
  std::map<std::string, OciLayout> layouts;  ///< by NamedContext::name
  std::shared_ptr<store::Lease> lease;       ///< of what is taken out of layouts
};

/// Takes the caller's descriptors, or fetches the context (and tells `listener`): parses the
/// Dockerfile and the ignore file that applies. Throws Error; mistakes in the Dockerfile are for
/// the caller to throw.
boost::asio::awaitable<BuildInputs> read_inputs(const BuildRequest& request,
                                                Caller& caller,
                                                solver::Listener listener,
                                                Services::Parts& parts);

/// The options of the request as the front end wants them. Throws Error{invalid_input} naming the
/// flag.
[[nodiscard]] dockerfile::LowerOptions to_options(const BuildRequest& request,
                                                  const Platform& target,
                                                  const std::vector<std::string>& ignore,
                                                  const BuilderConfig& config);

/// Throws DockerfileError when the Dockerfile could not be parsed.
void throw_mistakes(const BuildInputs& inputs, const dockerfile::LowerOptions& options);

/// Resolves the base images that the Dockerfile needs (and tells `listener` how long each took),
/// and lowers it.
boost::asio::awaitable<dockerfile::Lowered> plan(const BuildInputs& inputs,
                                                 dockerfile::LowerOptions options,
                                                 bool pull,
                                                 solver::Listener listener,
                                                 Services::Parts& parts);

}  // namespace kiln
