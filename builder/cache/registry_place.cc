#include "builder/cache/registry_place.h"

#include "builder/os/offload.h"
#include "builder/store/verified_blob.h"
#include "proto/error.h"

namespace kiln::cache {

namespace asio = boost::asio;

namespace {

class RegistryPlace final : public Place {
 public:
  RegistryPlace(Reference reference, registry::CredentialsProvider credentials, RegistryTools tools)
      : reference_(std::move(reference)),
        name_(reference_.familiar()),
        credentials_(std::move(credentials)),
        tools_(tools) {}

  const std::string& name() const override { return name_; }
  std::string origin() const override { return reference_.name(); }
  std::string tag_of(const Shard& shard) const override {
    return shard_tag(*reference_.tag, shard.manifest);
  }

  asio::awaitable<std::optional<std::string>> read_root() override {
    co_return co_await read_named(reference_);
  }

  asio::awaitable<std::string> read_manifest(Digest digest) override {
    co_return (co_await tools_.registry.get_own_manifest(named(std::nullopt, digest), credentials_))
        .bytes;
  }

  asio::awaitable<std::string> read_config(Digest digest, std::uint64_t bytes) override {
    if (bytes > oci::kMaxDocumentBytes)
      throw Error(Errc::corrupt, "configuration {}: {} bytes, over the limit", digest.str(), bytes);
    const oci::Descriptor config{std::string(oci::kConfig), digest, bytes, {}, {}};
    // Kept in the blob store, so that the next build need not ask again.
    co_await tools_.layers.fetch(config, origin(), credentials_,
                                 std::make_shared<solver::SilentListener>());
    auto read = [&] { return tools_.store.blobs().read(digest, oci::kMaxDocumentBytes); };
    co_return co_await os::offload(tools_.pool, read);
  }

  asio::awaitable<void> bring(std::vector<store::ForeignLayer>) override { co_return; }

  asio::awaitable<std::optional<std::set<std::string>>> shard_tags() override {
    try {
      const auto tags = co_await tools_.registry.list_tags(
          reference_, shard_prefix(*reference_.tag), credentials_);
      co_return std::set<std::string>(tags.begin(), tags.end());
    } catch (const registry::RegistryError& error) {
      // Some registries list nothing, or not to everybody.
      if (error.code() == Errc::unavailable) throw;
      co_return std::nullopt;
    }
  }

  asio::awaitable<std::optional<Shard>> find_shard(std::string tag) override {
    const std::optional<std::string> text =
        co_await read_named(named(std::move(tag), std::nullopt));
    if (!text) co_return std::nullopt;
    const oci::Manifest manifest = oci::parse_manifest(*text);
    co_return Shard{sha256(*text), text->size(), manifest.config.digest,
                    manifest.config.size_bytes};
  }

  asio::awaitable<void> put_layer(store::LayerRow layer, solver::Listener listener) override {
    check(layer.blob.has_value(), "a layer that is exported has a blob");
    if (layer.origin == origin()) co_return;  // it came from here
    bool here = tools_.store.blobs().has(*layer.blob, layer.blob_bytes);
    const std::optional<std::string> from = mount_from(layer);
    if (!here && from) {
      here = co_await try_mount(layer, *from, listener);
      if (here) co_return;
    }
    if (!here) {
      co_await tools_.layers.with_blobs({layer.id}, credentials_, listener);
    }
    co_await send(layer, from, listener);
  }

  asio::awaitable<void> put_shard(ShardImage image) override {
    const oci::Descriptor config{
        std::string(oci::kConfig), image.shard.config, image.shard.config_bytes, {}, {}};
    const registry::OpenSource open = [&image] {
      return std::make_unique<BytesSource>(as_bytes(image.config));
    };
    co_await tools_.registry.put_blob(reference_, config, open, std::nullopt, credentials_,
                                      [](std::uint64_t) {});
    co_await put_manifest(tag_of(image.shard), image.manifest, oci::kManifest);
    auto keep = [&] { tools_.store.blobs().put(image.config); };
    co_await os::offload(tools_.pool, keep);
  }

  asio::awaitable<void> put_root(std::string index) override {
    co_await put_manifest(*reference_.tag, std::move(index), oci::kIndex);
  }

  asio::awaitable<void> remove_shard(Shard shard) override {
    try {
      co_await tools_.registry.delete_manifest(named(std::nullopt, shard.manifest), credentials_);
    } catch (const registry::RegistryError&) {
      // Whether manifests may be removed is the registry's to say; the next merge leaves it out
      // too.
    }
  }

 private:
  [[nodiscard]] Reference named(std::optional<std::string> tag,
                                std::optional<Digest> digest) const {
    return {reference_.registry, reference_.repository, std::move(tag), std::move(digest)};
  }

  asio::awaitable<std::optional<std::string>> read_named(Reference reference) {
    try {
      auto raw = co_await tools_.registry.get_own_manifest(reference, credentials_);
      co_return std::move(raw.bytes);
    } catch (const registry::RegistryError& error) {
      if (error.code() != Errc::not_found) throw;
      co_return std::nullopt;
    }
  }

  asio::awaitable<void> put_manifest(std::string tag, std::string text, std::string_view type) {
    co_await tools_.registry.put_manifest(named(std::move(tag), std::nullopt), std::move(text),
                                          std::string(type), credentials_);
  }

  /// Another repository of this registry that has the layer, or is likely to.
  [[nodiscard]] std::optional<std::string> mount_from(const store::LayerRow& layer) const {
    std::vector<Reference> known = tools_.pushed;
    if (!layer.origin.empty()) known.insert(known.begin(), Reference::parse(layer.origin));
    for (const Reference& place : known) {
      if (place.registry == reference_.registry && place.repository != reference_.repository)
        return place.repository;
    }
    return std::nullopt;
  }

  /// True when the registry took the blob from its other repository, or had it here too.
  asio::awaitable<bool> try_mount(store::LayerRow layer,
                                  std::string from,
                                  solver::Listener listener) {
    try {
      co_await send(layer, from, listener);
      co_return true;
    } catch (const Error& error) {
      // It was to be sent, and is not here.
      if (error.code() != Errc::not_found) throw;
      co_return false;
    }
  }

  asio::awaitable<void> send(store::LayerRow layer,
                             std::optional<std::string> from,
                             solver::Listener listener) {
    const oci::Descriptor blob{layer.media_type, *layer.blob, layer.blob_bytes, {}, {}};
    const registry::OpenSource open = [this, digest = blob.digest] {
      return store::open_verified(tools_.store.blobs(), digest);
    };
    const std::string item = "sha256:" + std::string(blob.digest.short_hex());
    const registry::ProgressFn progress = [listener, item,
                                           total = blob.size_bytes](std::uint64_t current) {
      listener->progress(item, current, total);
    };
    co_await tools_.registry.put_blob(reference_, blob, open, from, credentials_, progress);
  }

  Reference reference_;
  std::string name_;
  registry::CredentialsProvider credentials_;
  RegistryTools tools_;
};

}  // namespace

std::unique_ptr<Place> open_registry(const std::string& text,
                                     registry::CredentialsProvider credentials,
                                     RegistryTools tools) {
  const Reference reference = Reference::parse(text).or_latest();
  if (reference.tag && reference.tag->size() > kMaxTagLength) {
    throw Error(Errc::invalid_input, "{}: a cache's tag may have {} characters", text,
                kMaxTagLength);
  }
  return std::make_unique<RegistryPlace>(reference, std::move(credentials), tools);
}

}  // namespace kiln::cache
