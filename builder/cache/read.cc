#include "builder/cache/read.h"

#include "builder/os/offload.h"
#include "builder/os/task_group.h"
#include "proto/error.h"

namespace kiln::cache {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kBuildkitConfig = "application/vnd.buildkit.cacheconfig.v0";
/// Platforms of an image whose configurations are looked at.
constexpr std::size_t kMaxImages = 32;

asio::awaitable<std::optional<Document>> read_document(Place& place,
                                                       Digest config,
                                                       std::uint64_t bytes,
                                                       asio::thread_pool& pool) {
  const std::string text = co_await place.read_config(config, bytes);
  // Not on the event loop: it may be megabytes.
  auto parse = [&text] { return parse_config(text); };
  co_return co_await os::offload(pool, parse);
}

/// Runs `task`; an Error becomes a fault.
asio::awaitable<void> tolerate(asio::awaitable<void> task, Contents& contents) {
  try {
    co_await std::move(task);
  } catch (const Error& error) {
    contents.faults.emplace_back(error.what());
  }
}

asio::awaitable<void> read_shard(Place& place,
                                 Shard shard,
                                 asio::thread_pool& pool,
                                 Contents& contents) {
  auto document = co_await read_document(place, shard.config, shard.config_bytes, pool);
  if (!document) throw Error(Errc::corrupt, "shard {}: it has no records", shard.manifest.str());
  contents.shards.emplace(shard, std::move(*document));
}

asio::awaitable<void> read_image(Place& place,
                                 std::string manifest_text,
                                 asio::thread_pool& pool,
                                 Contents& contents) {
  const oci::Manifest manifest = oci::parse_manifest(manifest_text);
  if (manifest.config.media_type == kBuildkitConfig) {
    contents.kind = Kind::buildkit;
    co_return;
  }
  if (manifest.config.media_type != oci::kConfig &&
      manifest.config.media_type != oci::kDockerConfig)
    co_return;
  contents.kind = Kind::image;
  auto document =
      co_await read_document(place, manifest.config.digest, manifest.config.size_bytes, pool);
  if (document) contents.documents.push_back(std::move(*document));
}

asio::awaitable<void> read_image_of_index(Place& place,
                                          Digest manifest,
                                          asio::thread_pool& pool,
                                          Contents& contents) {
  std::string text = co_await place.read_manifest(manifest);
  co_await read_image(place, std::move(text), pool, contents);
}

asio::awaitable<void> read_images(Place& place,
                                  oci::Index index,
                                  asio::thread_pool& pool,
                                  Contents& contents) {
  std::vector<asio::awaitable<void>> tasks;
  for (const oci::Descriptor& entry : index.manifests) {
    if (entry.media_type == kBuildkitConfig) contents.kind = Kind::buildkit;
    const bool attestation = entry.platform && entry.platform->os == "unknown";
    if (!oci::is_manifest(entry.media_type) || attestation || tasks.size() == kMaxImages) continue;
    tasks.push_back(tolerate(read_image_of_index(place, entry.digest, pool, contents), contents));
  }
  if (contents.kind != Kind::buildkit) co_await os::all_of(std::move(tasks));
}

}  // namespace

asio::awaitable<void> read_shards(Place& place,
                                  std::set<Shard> shards,
                                  asio::thread_pool& pool,
                                  Contents& contents) {
  std::vector<asio::awaitable<void>> tasks;
  for (const Shard& shard : shards) {
    if (!contents.shards.contains(shard))
      tasks.push_back(tolerate(read_shard(place, shard, pool, contents), contents));
  }
  co_await os::all_of(std::move(tasks));
}

asio::awaitable<Contents> read_cache(Place& place, asio::thread_pool& pool) {
  Contents contents;
  const std::optional<std::string> root = co_await place.read_root();
  if (!root) co_return contents;
  contents.kind = Kind::other;
  if (!oci::is_index(oci::media_type_of(*root))) {
    co_await read_image(place, *root, pool, contents);
    co_return contents;
  }
  const std::set<Shard> shards = parse_index(*root);
  if (shards.empty()) {
    co_await read_images(place, oci::parse_index(*root), pool, contents);
    co_return contents;
  }
  contents.kind = Kind::shards;
  co_await read_shards(place, shards, pool, contents);
  co_return contents;
}

}  // namespace kiln::cache
