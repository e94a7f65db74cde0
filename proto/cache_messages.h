// Messages about cache mounts (RUN --mount=type=cache).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/messages.h"

namespace kiln {

/// GET /kiln/v1/cache-mounts: one directory. Commands that want a cache at the same time and not
/// together have one each.
struct CacheMountSummary {
  std::string id;    ///< as in the Dockerfile; the mount's target where that names none
  std::string name;  ///< of the directory in the store
  std::uint64_t size_bytes = 0;
  std::string used;     ///< when a command last got it, RFC 3339
  int users = 0;        ///< commands that have it now
  bool shared = false;  ///< and let others in
};

/// POST /kiln/v1/cache-mounts/save writes to output:0, /load reads from the descriptor `context`.
struct CacheTransferRequest {
  std::string id;
  std::string compression;  ///< save: zstd (default), gzip, none
  bool merge = false;       ///< load: add to what is there
  std::vector<std::string> descriptors;
  std::string archive_name{};  ///< what messages call the archive, "" is nothing
};

/// DELETE /kiln/v1/cache-mounts?id=ID
struct CacheMountsRemoved {
  std::uint64_t count = 0;        ///< directories
  std::uint64_t freed_bytes = 0;  ///< those in use are freed when their users end
};

[[nodiscard]] std::string to_json(const std::vector<CacheMountSummary>& value);
[[nodiscard]] std::string to_json(const CacheTransferRequest& value);
[[nodiscard]] std::string to_json(const CacheMountsRemoved& value);
template <>
[[nodiscard]] std::vector<CacheMountSummary> from_json(std::string_view json);
template <>
[[nodiscard]] CacheTransferRequest from_json(std::string_view json);
template <>
[[nodiscard]] CacheMountsRemoved from_json(std::string_view json);

}  // namespace kiln
