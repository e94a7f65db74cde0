// --cache-from and --cache-to, read. Pure.
#pragma once

#include <string>

#include "proto/messages.h"

namespace kiln::cache {

enum class Where { registry, inline_, local };

struct ImportOption {
  Where where = Where::registry;
  std::string name;            ///< the reference, or the directory as the user typed it
  std::string tag = "latest";  ///< of a directory
};

struct ExportOption {
  Where where = Where::registry;
  std::string name;
  std::string tag = "latest";
  bool all_steps = false;     ///< mode=max
  bool ignore_error = false;  ///< a failure is a warning
};

/// Throws Error{invalid_input} naming the flag and the attribute.
/// source: docker buildx build --cache-from, --cache-to; BuildKit cache/remotecache
[[nodiscard]] ImportOption parse_import(const CacheOption& option);
[[nodiscard]] ExportOption parse_export(const CacheOption& option);

}  // namespace kiln::cache
