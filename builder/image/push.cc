#include "builder/image/push.h"

#include <set>

#include "builder/os/offload.h"
#include "builder/os/task_group.h"
#include "builder/store/verified_blob.h"

namespace kiln::image {

namespace asio = boost::asio;

namespace {

/// What one push works with; outlives its tasks.
struct Push {
  store::Store& store;
  registry::Client& registry;
  asio::thread_pool& pool;
  Reference target;
  Origins origins;
  registry::CredentialsProvider credentials;
  PushProgress progress;

  /// A repository of the target's own registry that has the blob already.
  [[nodiscard]] std::optional<std::string> mount_from(const Digest& blob) const {
    const auto origin = origins.find(blob);
    if (origin == origins.end() || origin->second.empty()) return std::nullopt;
    const Reference known = Reference::parse(origin->second);
    if (known.registry != target.registry || known.repository == target.repository)
      return std::nullopt;
    return known.repository;
  }
};

asio::awaitable<std::string> read_document(Push& push, Digest digest) {
  auto read = [&] { return push.store.blobs().read(digest, oci::kMaxDocumentBytes); };
  co_return co_await os::offload(push.pool, read);
}

asio::awaitable<void> push_blob(Push& push, oci::Descriptor blob) {
  const std::string item = "sha256:" + std::string(blob.digest.short_hex());
  const registry::OpenSource open = [&push, digest = blob.digest] {
    return store::open_verified(push.store.blobs(), digest);
  };
  const registry::ProgressFn progress = [&push, item,
                                         total = blob.size_bytes](std::uint64_t current) {
    push.progress(item, current, total);
  };
  const std::optional<std::string> from = push.mount_from(blob.digest);
  co_await push.registry.put_blob(push.target, blob, open, from, push.credentials, progress);
}

asio::awaitable<void> push_manifest(Push& push, oci::Descriptor descriptor, Reference name) {
  const std::string text = co_await read_document(push, descriptor.digest);
  const oci::Manifest manifest = oci::parse_manifest(text);
  std::vector<asio::awaitable<void>> blobs;
  std::set<Digest> seen;
  for (const oci::Descriptor& layer : manifest.layers) {
    if (seen.insert(layer.digest).second) blobs.push_back(push_blob(push, layer));
  }
  co_await os::all_of(std::move(blobs));
  co_await push_blob(push, manifest.config);
  co_await push.registry.put_manifest(name, text, descriptor.media_type, push.credentials);
}

Reference by_digest(Reference reference, const Digest& digest) {
  reference.tag.reset();
  reference.digest = digest;
  return reference;
}

}  // namespace

asio::awaitable<void> push(store::Store& store,
                           registry::Client& registry,
                           asio::thread_pool& pool,
                           oci::Descriptor root,
                           Reference target,
                           Origins origins,
                           registry::CredentialsProvider credentials,
                           PushProgress progress) {
  Push push{store,
            registry,
            pool,
            std::move(target),
            std::move(origins),
            std::move(credentials),
            std::move(progress)};
  if (!oci::is_index(root.media_type)) {
    co_await push_manifest(push, root, push.target);
    co_return;
  }
  const std::string text = co_await read_document(push, root.digest);
  for (const oci::Descriptor& manifest : oci::parse_index(text).manifests) {
    co_await push_manifest(push, manifest, by_digest(push.target, manifest.digest));
  }
  co_await push.registry.put_manifest(push.target, text, root.media_type, push.credentials);
}

}  // namespace kiln::image
