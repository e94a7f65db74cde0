#include "builder/cache/shard.h"

#include <algorithm>
#include <charconv>

#include "proto/error.h"

namespace kiln::cache {

namespace {

constexpr const char* kConfigDigest = "kiln.cache.config.digest";
constexpr const char* kConfigSize = "kiln.cache.config.size";
/// More are not read, whatever an index says.
constexpr std::size_t kMaxListed = 256;
/// Of a merged document; shards that come later have the rest of oci::kMaxDocumentBytes.
constexpr std::size_t kMaxMergedBytes = 3U * 1024 * 1024;

std::uint64_t parse_size(const std::string& text) {
  std::uint64_t size = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, size);
  if (error != std::errc() || rest != end || size > oci::kMaxDocumentBytes)
    throw Error(Errc::corrupt, "annotation {}: \"{}\" is not a document's size", kConfigSize, text);
  return size;
}

Digest parse_digest(const std::string& text) {
  try {
    return Digest::parse(text);
  } catch (const Error& error) {
    throw Error(Errc::corrupt, "annotation {}: {}", kConfigDigest, error.what());
  }
}

}  // namespace

ShardImage make_shard(const Document& document) {
  oci::ImageConfig config;
  config.platform.os = "unknown";
  config.platform.architecture = "unknown";
  config.cache = to_json(document);
  std::vector<oci::Descriptor> layers;
  std::set<Digest> seen;
  for (const CachedLayer& layer : document.layers) {
    if (layer.base || !seen.insert(layer.blob).second) continue;
    layers.push_back({layer.media_type, layer.blob, layer.blob_bytes, {}, {}});
    config.diff_ids.push_back(layer.diff_id);
  }
  std::string text = oci::to_json(config);
  const oci::Manifest manifest{std::string(oci::kManifest),
                               {std::string(oci::kConfig), sha256(text), text.size(), {}, {}},
                               std::move(layers),
                               {}};
  std::string manifest_text = oci::to_json(manifest);
  const Shard shard{sha256(manifest_text), manifest_text.size(), manifest.config.digest,
                    text.size()};
  return {std::move(text), std::move(manifest_text), shard};
}

std::string shard_prefix(std::string_view tag) {
  return std::string(tag) + ".k1-";
}

std::string shard_tag(std::string_view tag, const Digest& manifest) {
  return shard_prefix(tag) + std::string(manifest.hex().substr(0, 20));
}

std::string to_index(const std::set<Shard>& shards) {
  oci::Index index;
  for (const Shard& shard : shards) {
    index.manifests.push_back(
        {std::string(oci::kManifest),
         shard.manifest,
         shard.manifest_bytes,
         {{kConfigDigest, shard.config.str()}, {kConfigSize, std::to_string(shard.config_bytes)}},
         {}});
  }
  return oci::to_json(index);
}

std::set<Shard> parse_index(std::string_view json) {
  std::set<Shard> shards;
  for (const oci::Descriptor& entry : oci::parse_index(json).manifests) {
    const auto digest = entry.annotations.find(kConfigDigest);
    const auto size = entry.annotations.find(kConfigSize);
    if (digest == entry.annotations.end() || size == entry.annotations.end()) continue;
    shards.insert(
        {entry.digest, entry.size_bytes, parse_digest(digest->second), parse_size(size->second)});
    if (shards.size() > kMaxListed)
      throw Error(Errc::corrupt, "the index lists more than {} shards", kMaxListed);
  }
  return shards;
}

std::optional<Document> parse_config(std::string_view json) {
  const oci::ImageConfig config = oci::parse_config(json);
  if (config.cache.empty()) return std::nullopt;
  return parse_document(config.cache);
}

Document merge(const std::vector<Document>& documents, std::int64_t now_s) {
  std::vector<std::pair<const Document*, const CachedRecord*>> records;
  for (const Document& document : documents) {
    for (const CachedRecord& record : document.records) {
      const bool expired = record.exported_s != 0 && record.exported_s < now_s - kExpireSeconds;
      if (!expired) records.emplace_back(&document, &record);
    }
  }
  std::ranges::sort(records, [](const auto& a, const auto& b) {
    return std::pair(b.second->exported_s, a.second->key) <
           std::pair(a.second->exported_s, b.second->key);
  });
  for (;; records.resize(records.size() / 2)) {
    DocumentBuilder builder;
    for (const auto& [document, record] : records)
      builder.add_from(*document, *record);
    Document merged = builder.take();
    if (to_json(merged).size() <= kMaxMergedBytes) return merged;
  }
}

}  // namespace kiln::cache
