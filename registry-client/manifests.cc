#include "registry-client/manifests.h"

#include <optional>
#include <utility>

#include "proto/digest.h"
#include "proto/oci.h"

namespace kiln::registry {

namespace asio = boost::asio;

namespace {

std::string path_of(const Reference& reference) {
  return fmt::format("manifests/{}",
                     reference.digest ? reference.digest->str() : reference.tag.value_or("latest"));
}

/// The server's own digest of what it sends; registries may use algorithms that we do not know.
std::optional<Digest> content_digest(const Headers& headers) {
  const auto value = headers.find("Docker-Content-Digest");
  if (!value || !value->starts_with("sha256:")) return std::nullopt;
  return Digest::parse(*value);
}

std::string media_type_of(const Headers& headers, std::string_view bytes) {
  auto type = headers.find("Content-Type").value_or("");
  type = type.substr(0, type.find_first_of("; "));
  if (oci::is_manifest(type) || oci::is_index(type)) return std::string(type);
  if (type.starts_with("application/vnd.docker.distribution.manifest.v1")) {
    throw Error(Errc::invalid_input,
                "Docker's schema 1 manifests are not supported; push the image again with a "
                "current tool");
  }
  return oci::media_type_of(bytes);
}

}  // namespace

asio::awaitable<RawManifest> fetch_manifest(Session& session, Reference reference) {
  Request request{"GET", co_await session.url(path_of(reference)), {}, {}, nullptr};
  for (const auto type :
       {oci::kIndex, oci::kManifest, oci::kDockerManifestList, oci::kDockerManifest}) {
    request.headers.add("Accept", type);
  }
  auto response = co_await session.send(std::move(request));
  RawManifest manifest{co_await response.read_all(oci::kMaxDocumentBytes), {}, sha256("")};
  manifest.digest = sha256(manifest.bytes);

  const auto where = fmt::format("GET {}", response.url().redacted());
  auto expected = reference.digest;
  if (!expected) expected = within(where, [&] { return content_digest(response.headers()); });
  if (expected && *expected != manifest.digest) {
    throw RegistryError(Errc::corrupt, response.status(),
                        fmt::format("{}: the manifest's digest is {}, not {}", where,
                                    manifest.digest.str(), expected->str()));
  }
  manifest.media_type =
      within(where, [&] { return media_type_of(response.headers(), manifest.bytes); });
  co_return manifest;
}

asio::awaitable<void> store_manifest(Session& session,
                                     Reference reference,
                                     std::string bytes,
                                     std::string media_type) {
  const auto digest = sha256(bytes);
  if (reference.digest && *reference.digest != digest) {
    throw Error(Errc::invalid_input, "push {}: the manifest's digest is {}", reference.str(),
                digest.str());
  }
  if (reference.tag) {
    reference.digest.reset();
  } else {
    reference.digest = digest;
  }
  Request request{"PUT", co_await session.url(path_of(reference)), {}, {}, nullptr};
  request.headers.add("Content-Type", media_type);
  request.body = std::move(bytes);
  auto response = co_await session.send(std::move(request));
  co_await response.read_words();
  const auto stored = content_digest(response.headers());
  if (stored && *stored != digest) {
    throw RegistryError(Errc::corrupt, response.status(),
                        fmt::format("PUT {}: the registry stored {} instead of {}",
                                    response.url().redacted(), stored->str(), digest.str()));
  }
}

asio::awaitable<void> remove_manifest(Session& session, Reference reference) {
  check(reference.digest.has_value(), "a manifest is removed by its digest");
  Request request{"DELETE", co_await session.url(path_of(reference)), {}, {}, nullptr};
  auto response = co_await session.send(std::move(request));
  co_await response.read_words();
}

}  // namespace kiln::registry
