// Named contexts: what `--build-context NAME=VALUE` puts in the place of an image or a stage.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "builder/graph/op.h"
#include "proto/platform.h"
#include "proto/reference.h"

namespace kiln::dockerfile {

/// A directory of the client; the graph's LocalSource is called local_name().
struct LocalContext {
  std::vector<std::string> ignore;  ///< patterns of its own .dockerignore
};

struct ImageContext {
  std::optional<Reference> reference;  ///< nullopt: scratch. Of a layout: the context's own name
  bool in_layout = false;              ///< an OCI layout that the client passed has it
};

struct NamedContext {
  std::string name;   ///< as context_key has it
  std::string value;  ///< as the user typed it, for messages
  std::variant<LocalContext, ImageContext, graph::GitSource, graph::HttpSource> from;

  [[nodiscard]] std::string local_name() const { return "context:" + name; }
};

/// By context_key(NAME).
using NamedContexts = std::map<std::string, NamedContext>;

/// The name under which a context is found, whoever writes it: an image name in its familiar form
/// without ":latest"; "::OS/ARCH" behind it stays. Throws Error{invalid_input} for what is no image
/// name. source: buildx ParseContextNames; BuildKit frontend/dockerui/config.go NamedContext
[[nodiscard]] std::string context_key(std::string_view name);

/// The context that stands for `name` (an image or a stage) on a platform: one that is given for
/// just that platform goes first. nullptr: none; always so for "scratch" and "context".
[[nodiscard]] const NamedContext* find_context(const NamedContexts& contexts,
                                               std::string_view name,
                                               const Platform& platform);

}  // namespace kiln::dockerfile
