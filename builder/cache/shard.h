// Shards: the immutable parts of a cache, and the index that lists them. Pure.
//
// A shard is an image manifest whose configuration has a document and whose layers are the blobs
// that its records need, so that a registry's garbage collection keeps them. It is pushed under a
// tag of its own, TAG.k1-HEX: no two writers use the same tag for different shards, so nobody's
// records are lost however many write at once. The cache's own name, TAG, is an index of all
// shards, which only saves readers the listing: whoever writes it looks at the tags afterwards and
// writes it again while one is missing (publish.h).
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "builder/cache/document.h"
#include "proto/oci.h"

namespace kiln::cache {

/// A shard as an index names it: enough to read its records in one request.
struct Shard {
  Digest manifest;
  std::uint64_t manifest_bytes = 0;
  Digest config;
  std::uint64_t config_bytes = 0;
  friend auto operator<=>(const Shard&, const Shard&) = default;
};

/// A shard's documents, ready to be written.
struct ShardImage {
  std::string config;
  std::string manifest;
  Shard shard;
};

/// The longest tag that a cache can have: a shard's must fit behind it into the 128 of a tag.
inline constexpr std::size_t kMaxTagLength = 100;

/// Where writers merge: an import asks for each shard once.
inline constexpr std::size_t kMaxShards = 24;

/// How long a record is kept that no build has used, and how old its mark may be until an export
/// renews it.
inline constexpr std::int64_t kExpireSeconds = 30 * 24 * 3600;
inline constexpr std::int64_t kRenewSeconds = 7 * 24 * 3600;

[[nodiscard]] ShardImage make_shard(const Document& document);

/// What tags of shards of the cache TAG begin with; and a shard's tag.
[[nodiscard]] std::string shard_prefix(std::string_view tag);
[[nodiscard]] std::string shard_tag(std::string_view tag, const Digest& manifest);

/// Equal sets give equal bytes.
[[nodiscard]] std::string to_index(const std::set<Shard>& shards);

/// The shards that an index lists; none when it is some other index. Throws Error{corrupt}.
[[nodiscard]] std::set<Shard> parse_index(std::string_view json);

/// The document of a configuration; nullopt when it has none. Throws Error{corrupt}.
[[nodiscard]] std::optional<Document> parse_config(std::string_view json);

/// One document for several: records that nobody has used for kExpireSeconds are left out, and of
/// the rest the oldest, as far as the document would get too large to be read.
[[nodiscard]] Document merge(const std::vector<Document>& documents, std::int64_t now_s);

}  // namespace kiln::cache
