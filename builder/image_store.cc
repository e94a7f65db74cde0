#include "builder/image_store.h"

#include <algorithm>

#include "builder/image/push.h"
#include "builder/ops/image_source.h"
#include "builder/os/offload.h"
#include "builder/os/task_group.h"
#include "builder/solver/phase_timer.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// The rows whose manifest or configuration digest begins with `prefix`, one for each manifest.
/// Blocks.
std::vector<store::ImageRow> by_digest_prefix(const store::BlobStore& blobs,
                                              std::vector<store::ImageRow> rows,
                                              std::string_view prefix) {
  std::vector<store::ImageRow> found;
  for (store::ImageRow& row : rows) {
    const bool known =
        std::ranges::any_of(found, [&](const auto& one) { return one.manifest == row.manifest; });
    if (known) continue;
    bool matches = row.manifest.hex().starts_with(prefix);
    if (!matches && blobs.has(row.manifest)) {
      const ops::ResolvedReference image =
          ops::read_image(blobs, platform_manifest(blobs, row.manifest));
      matches = image.document.config.digest.hex().starts_with(prefix);
    }
    if (matches) found.push_back(std::move(row));
  }
  return found;
}

}  // namespace

Digest platform_manifest(const store::BlobStore& blobs, const Digest& digest) {
  const std::string text = blobs.read(digest, oci::kMaxDocumentBytes);
  if (!oci::is_index(oci::media_type_of(text))) return digest;
  const oci::Index index = oci::parse_index(text);
  if (const auto chosen = oci::choose(index, Platform::host())) return chosen->digest;
  if (index.manifests.empty())
    throw Error(Errc::corrupt, "{}: an index without images", digest.str());
  return index.manifests.front().digest;
}

asio::awaitable<store::ImageRow> find_image(std::string text, Services::Parts& parts) {
  std::string_view hex = text;
  if (hex.starts_with("sha256:")) hex.remove_prefix(7);
  const bool by_digest = hex.size() >= 4 && hex.size() <= 64 && is_hex(hex);
  std::optional<std::string> reference;
  try {
    reference = Reference::parse(text).or_latest().str();
  } catch (const Error&) {
    if (!by_digest) throw;
  }
  auto read = [&](store::Tables& tables) {
    std::vector<store::ImageRow> rows;
    if (reference) {
      if (auto row = tables.image(*reference)) return std::vector{std::move(*row)};
    }
    return by_digest ? tables.images() : rows;
  };
  std::vector<store::ImageRow> rows = co_await parts.store.database().run(read);
  const bool named = rows.size() == 1 && reference && rows.front().reference == *reference;
  if (!named) {
    auto match = [&] { return by_digest_prefix(parts.store.blobs(), std::move(rows), hex); };
    rows = co_await os::offload(parts.pool, match);
  }
  if (rows.empty()) throw Error(Errc::not_found, "no image \"{}\" here; see `kiln images`", text);
  if (rows.size() > 1)
    throw Error(Errc::invalid_input, "\"{}\" begins the digests of {} images", text, rows.size());
  co_return std::move(rows.front());
}

Reference parse_image_name(const std::string& name) {
  Reference reference = Reference::parse(name).or_latest();
  if (reference.digest) {
    throw Error(Errc::invalid_input,
                "\"{}\": a name that is given to an image cannot have a digest", name);
  }
  return reference;
}

asio::awaitable<std::vector<std::string>> name_image(oci::Descriptor root,
                                                     std::vector<std::string> names,
                                                     Services::Parts& parts) {
  std::vector<std::string> references;
  std::vector<std::string> familiar;
  for (const std::string& name : names) {
    const Reference reference = parse_image_name(name);
    references.push_back(reference.str());
    familiar.push_back(reference.familiar());
  }
  if (references.empty()) references.push_back(store::kUnnamed + root.digest.str());

  auto unchanged = [&](store::Tables& tables) {
    return std::ranges::all_of(references, [&](const std::string& reference) {
      const auto row = tables.image(reference);
      return row && row->manifest == root.digest;
    });
  };
  if (co_await parts.store.database().run(unchanged)) co_return familiar;
  auto sync = [&parts] { parts.store.sync(); };
  co_await os::offload(parts.pool, sync);
  auto put = [&](store::Tables& tables) {
    for (const std::string& reference : references) {
      tables.put_image({reference, root.digest, root.media_type, root.size_bytes, os::now_ns()});
    }
  };
  co_await parts.store.database().run(put);
  co_return familiar;
}

asio::awaitable<void> complete_blobs(oci::Manifest manifest,
                                     std::string origin,
                                     registry::CredentialsProvider credentials,
                                     solver::Listener listener,
                                     Services::Parts& parts) {
  std::vector<asio::awaitable<void>> tasks;
  for (const oci::Descriptor& layer : manifest.layers) {
    tasks.push_back(parts.layers.fetch(layer, origin, credentials, listener));
  }
  co_await os::all_of(std::move(tasks));
}

namespace {

/// The image manifests beneath a root that the store has. Blocks.
std::vector<oci::Manifest> manifests_of(const store::BlobStore& blobs,
                                        const oci::Descriptor& root) {
  const std::string text = blobs.read(root.digest, oci::kMaxDocumentBytes);
  if (!oci::is_index(root.media_type)) return {oci::parse_manifest(text)};
  std::vector<oci::Manifest> manifests;
  for (const oci::Descriptor& child : oci::parse_index(text).manifests) {
    if (!oci::is_manifest(child.media_type) || !blobs.has(child.digest)) continue;
    manifests.push_back(oci::parse_manifest(blobs.read(child.digest, oci::kMaxDocumentBytes)));
  }
  return manifests;
}

/// Removes the image's blobs that are not what their names say. Blocks while it reads all of them.
void drop_damaged_blobs(const store::BlobStore& blobs, const oci::Descriptor& root) {
  for (const oci::Manifest& manifest : manifests_of(blobs, root)) {
    static_cast<void>(blobs.is_sound(manifest.config.digest));
    for (const oci::Descriptor& layer : manifest.layers)
      static_cast<void>(blobs.is_sound(layer.digest));
  }
}

asio::awaitable<image::Origins> known_origins(store::Database& database) {
  auto read = [](store::Tables& tables) {
    image::Origins origins;
    for (const store::LayerRow& layer : tables.layers()) {
      if (layer.blob && !layer.origin.empty()) origins.emplace(*layer.blob, layer.origin);
    }
    return origins;
  };
  co_return co_await database.run(read);
}

}  // namespace

asio::awaitable<void> restore_image(oci::Descriptor root,
                                    registry::CredentialsProvider credentials,
                                    solver::Listener listener,
                                    Services::Parts& parts) {
  auto read = [&] { return manifests_of(parts.store.blobs(), root); };
  for (const oci::Manifest& manifest : co_await os::offload(parts.pool, read))
    co_await parts.layers.restore_blobs(manifest, credentials, listener);
}

asio::awaitable<void> push_named(oci::Descriptor root,
                                 Reference target,
                                 registry::CredentialsProvider credentials,
                                 solver::Listener listener,
                                 Services::Parts& parts) {
  const auto sent = std::make_shared<std::map<std::string, std::uint64_t, std::less<>>>();
  const image::PushProgress progress =
      [listener, sent](std::string_view item, std::uint64_t current, std::uint64_t total) {
        sent->insert_or_assign(std::string(item), current);
        listener->progress(item, current, total);
      };
  for (bool again = false;; again = true) {
    try {
      co_await restore_image(root, credentials, listener, parts);
      solver::PhaseTimer timer(listener, Phase::push, target.familiar());
      co_await image::push(parts.store, parts.registry, parts.pool, root, target,
                           co_await known_origins(parts.store.database()), credentials, progress);
      std::uint64_t bytes = 0;
      for (const auto& [item, count] : *sent)
        bytes += count;
      timer.stop(bytes);
      co_return;
    } catch (Error& error) {
      error.add_context("push " + target.familiar());
      if (error.code() != Errc::corrupt || again) throw;
    }
    // A blob was damaged in the store: what can be had again is sent in a second attempt.
    auto drop = [&] { drop_damaged_blobs(parts.store.blobs(), root); };
    co_await os::offload(parts.pool, drop);
  }
}

}  // namespace kiln
