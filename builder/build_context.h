// What a build works on, whatever the user named: a directory, and the Dockerfile in it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "builder/build.h"
#include "builder/dockerfile/remote_context.h"
#include "builder/services_parts.h"

namespace kiln {

/// Where COPY and ADD take files from.
struct BuildContext {
  enum class Kind {
    local,   ///< the client's own directory: a .dockerignore in it applies
    stream,  ///< what came through a descriptor
    remote,  ///< fetched
  };
  std::shared_ptr<const ops::ClientDirectory> directory;
  Kind kind = Kind::local;
  std::optional<std::string> dockerfile;  ///< text: what the user gave as a context is nothing else
  std::optional<dockerfile::RemoteContext> source;  ///< of a remote one
};

/// Opens what the caller passed as the context: a directory as it is; a stream is read to its end
/// into a directory of ours. Without a descriptor the request's context_name is fetched
/// (remote_context.h) with the client's `secrets`; `listener` is told about that. Throws Error.
boost::asio::awaitable<BuildContext> open_context(const BuildRequest& request,
                                                  Caller& caller,
                                                  ops::ClientSecrets secrets,
                                                  solver::Listener listener,
                                                  Services::Parts& parts);

/// Reads a stream to its end into a directory of ours (context_stream.h). `what` names it.
boost::asio::awaitable<BuildContext> open_stream(os::Fd stream,
                                                 std::string what,
                                                 Services::Parts& parts);

/// A file of the build's own.
struct BuildFile {
  std::string name;  ///< for messages
  std::string text;
};

/// The Dockerfile of a build, in this order: the context itself, the caller's descriptor, the file
/// `name` of a context that is not local ("" is Dockerfile, or dockerfile when there is none).
/// Throws Error naming what was tried. Blocks.
[[nodiscard]] BuildFile read_dockerfile(const BuildContext& context,
                                        const std::string& name,
                                        Caller& caller);

/// The patterns of the .dockerignore at the top of a client's directory. Blocks.
[[nodiscard]] std::vector<std::string> read_own_ignore(const ops::ClientDirectory& directory);

/// The ignore file of a local context: <Dockerfile>.dockerignore where the client passed one, else
/// its .dockerignore. Contexts of other kinds have none. Blocks.
/// source: BuildKit frontend/dockerui/config.go
[[nodiscard]] std::optional<BuildFile> find_ignore(const BuildContext& context,
                                                   const std::string& dockerfile_name,
                                                   Caller& caller);
/// Its patterns.
[[nodiscard]] std::vector<std::string> read_ignore(const BuildContext& context,
                                                   const std::string& dockerfile_name,
                                                   Caller& caller);

}  // namespace kiln
