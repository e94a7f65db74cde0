// Build contexts that are on the network, the main one or named ones.
#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "builder/graph/op.h"

namespace kiln::dockerfile {

/// What a file that is a context is called.
inline constexpr const char* kContextFile = "context";

using RemoteContext = std::variant<graph::GitSource, graph::HttpSource>;

/// What `text` is on the network: a repository ("github.com/..." too), else the file of an http(s)
/// URL; nullopt when it is neither. `keep_git_dir` as if the URL said so. Throws
/// Error{invalid_input} for a repository whose query or fragment makes no sense. source: BuildKit
/// frontend/dockerui/context.go, DetectGitContext and DetectHTTPContext
[[nodiscard]] std::optional<RemoteContext> parse_remote_context(std::string_view text,
                                                                bool keep_git_dir);

}  // namespace kiln::dockerfile
