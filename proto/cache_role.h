// Descriptors of caches in directories, beside those of messages.h.
#pragma once

#include <string_view>

namespace kiln::role {

inline constexpr std::string_view kCacheFrom =
    "cache-from:";  ///< + index into cache_from: an OCI layout's directory, O_RDONLY
inline constexpr std::string_view kCacheTo =
    "cache-to:";  ///< + index into cache_to: the same, or a directory that becomes one

}  // namespace kiln::role
