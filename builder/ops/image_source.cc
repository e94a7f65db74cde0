#include "builder/ops/image_source.h"

#include "builder/os/mount.h"
#include "builder/os/offload.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// Picks the platform's manifest out of an index that the blob store has; a manifest is what it is.
Digest choose_platform(const store::BlobStore& blobs,
                       const Digest& digest,
                       const Reference& reference,
                       const Platform& platform) {
  const std::string text = blobs.read(digest, oci::kMaxDocumentBytes);
  if (!oci::is_index(oci::media_type_of(text))) return digest;
  const std::optional<oci::Descriptor> chosen = oci::choose(oci::parse_index(text), platform);
  if (!chosen) {
    throw Error(Errc::not_found, "{}: no image for {} in its index", reference.familiar(),
                platform.str());
  }
  return chosen->digest;
}

std::optional<ResolvedReference> try_read(const store::BlobStore& blobs, const Digest& manifest) {
  try {
    return read_image(blobs, manifest);
  } catch (const Error& error) {
    // Missing or damaged: as if it had never been resolved.
    if (error.code() == Errc::not_found || error.code() == Errc::corrupt) return std::nullopt;
    throw;
  }
}

/// What this store knows of a reference, without asking anyone.
asio::awaitable<std::optional<ResolvedReference>> resolve_locally(Reference reference,
                                                                  Platform platform,
                                                                  Workshop& workshop) {
  const std::string name = reference.str();
  const std::string wanted = platform.str();
  auto find = [&](store::Tables& tables) -> std::optional<Digest> {
    if (const auto image = tables.image(name)) return image->manifest;
    if (const auto resolution = tables.resolution(name, wanted)) return resolution->manifest;
    return std::nullopt;
  };
  const std::optional<Digest> known = co_await workshop.store.database().run(find);
  if (!known) co_return std::nullopt;
  auto read = [&]() -> std::optional<ResolvedReference> {
    try {
      std::optional<ResolvedReference> image =
          try_read(workshop.store.blobs(),
                   choose_platform(workshop.store.blobs(), *known, reference, platform));
      if (image && !platform.distance(image->config.platform)) return std::nullopt;
      return image;
    } catch (const Error&) {
      return std::nullopt;  // an index without this platform, or a missing one: the registry may
                            // know better
    }
  };
  co_return co_await os::offload(workshop.pool, read);
}

/// Fetches the manifest that `reference` names for the platform, through an index when there is
/// one.
asio::awaitable<registry::RawManifest> fetch_manifest(Reference reference,
                                                      Platform platform,
                                                      registry::CredentialsProvider credentials,
                                                      Workshop& workshop) {
  registry::RawManifest raw = co_await workshop.registry.get_manifest(reference, credentials);
  if (!oci::is_index(raw.media_type)) co_return raw;
  const oci::Index index = oci::parse_index(raw.bytes);
  const std::optional<oci::Descriptor> chosen = oci::choose(index, platform);
  if (!chosen) {
    std::string offered;
    for (const oci::Descriptor& one : index.manifests) {
      if (one.platform && one.platform->os != "unknown") offered += " " + one.platform->str();
    }
    throw Error(Errc::not_found, "no image for {} in its index; it has{}", platform.str(),
                offered.empty() ? " none" : offered);
  }
  Reference by_digest = reference;
  by_digest.tag.reset();
  by_digest.digest = chosen->digest;
  co_return co_await workshop.registry.get_manifest(by_digest, credentials);
}

asio::awaitable<ResolvedReference> resolve_remotely(Reference reference,
                                                    Platform platform,
                                                    registry::CredentialsProvider credentials,
                                                    Workshop& workshop) {
  const registry::RawManifest raw =
      co_await fetch_manifest(reference, platform, credentials, workshop);
  const oci::Manifest manifest = oci::parse_manifest(raw.bytes);
  if (manifest.config.size_bytes > oci::kMaxDocumentBytes) {
    throw Error(Errc::corrupt, "its configuration is {} bytes, over the limit",
                manifest.config.size_bytes);
  }
  co_await workshop.layers.fetch(manifest.config, reference.name(), credentials,
                                 std::make_shared<solver::SilentListener>());
  auto keep = [&] {
    workshop.store.blobs().put(raw.bytes);
    return read_image(workshop.store.blobs(), raw.digest);
  };
  ResolvedReference image = co_await os::offload(workshop.pool, keep);
  const store::ResolutionRow row{reference.str(), platform.str(), raw.digest, os::now_ns()};
  auto note = [&row](store::Tables& tables) { tables.put_resolution(row); };
  co_await workshop.store.database().run(note);
  co_return image;
}

/// Throws when the documents contradict each other, or are not an image that can be unpacked.
void check_documents(const oci::Manifest& document, const oci::ImageConfig& config) {
  const std::size_t count = document.layers.size();
  if (count != config.diff_ids.size()) {
    throw Error(Errc::corrupt, "the manifest has {} layers, the configuration {} diff_ids", count,
                config.diff_ids.size());
  }
  if (count > os::kMaxOverlayLayers) {
    throw Error(Errc::invalid_input,
                "the image has {} layers, more than the {} that can be stacked", count,
                os::kMaxOverlayLayers);
  }
  for (const oci::Descriptor& layer : document.layers) {
    if (oci::is_layer(layer.media_type)) continue;
    throw Error(Errc::invalid_input, "its layer {} is of the type \"{}\", which cannot be unpacked",
                layer.digest.str(), layer.media_type);
  }
}

}  // namespace

ResolvedReference read_image(const store::BlobStore& blobs, const Digest& manifest) {
  oci::Manifest document = oci::parse_manifest(blobs.read(manifest, oci::kMaxDocumentBytes));
  oci::ImageConfig config =
      oci::parse_config(blobs.read(document.config.digest, oci::kMaxDocumentBytes));
  check_documents(document, config);
  return {manifest, std::move(document), std::move(config)};
}

asio::awaitable<ResolvedReference> resolve_reference(Reference reference,
                                                     Platform platform,
                                                     bool pull,
                                                     registry::CredentialsProvider credentials,
                                                     Workshop& workshop) {
  reference = reference.or_latest();
  if (!pull) {
    if (auto local = co_await resolve_locally(reference, platform, workshop))
      co_return std::move(*local);
  }
  try {
    co_return co_await resolve_remotely(reference, platform, credentials, workshop);
  } catch (Error& error) {
    error.add_context(reference.familiar());
    throw;
  }
}

asio::awaitable<solver::Stack> load_image(const graph::ImageSource& image,
                                          registry::CredentialsProvider credentials,
                                          solver::Listener listener,
                                          Workshop& workshop) {
  auto read = [&] { return read_image(workshop.store.blobs(), image.manifest); };
  const ResolvedReference resolved = co_await os::offload(workshop.pool, read);
  // What came out of an OCI layout of the client is asked of nobody.
  const std::string origin = image.in_store ? "" : image.reference.name();
  solver::Stack stack =
      co_await workshop.layers.of_image(resolved.document, resolved.config, origin);
  co_await workshop.layers.unpacked(stack, credentials, listener);
  co_return stack;
}

}  // namespace kiln::ops
