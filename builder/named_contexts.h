// What `--build-context NAME=VALUE` stands for, opened.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "builder/build.h"
#include "builder/dockerfile/named_context.h"
#include "builder/services_parts.h"

namespace kiln {

/// An OCI layout that the client passed, and which of its images is meant.
struct OciLayout {
  std::shared_ptr<const ops::ClientDirectory> directory;
  std::string tag;
  std::optional<Digest> digest;  ///< instead of the tag
};

struct NamedInputs {
  dockerfile::NamedContexts contexts;
  std::map<std::string, std::shared_ptr<const ops::ClientDirectory>>
      directories;                           ///< by NamedContext::local_name
  std::map<std::string, OciLayout> layouts;  ///< by NamedContext::name
};

/// Takes the caller's descriptors of named contexts. Throws Error{invalid_input} naming the one
/// that is wrong. Blocks. source: buildx build/opt.go; BuildKit frontend/dockerui/namedcontext.go
[[nodiscard]] NamedInputs open_named_contexts(const BuildRequest& request, Caller& caller);

}  // namespace kiln
