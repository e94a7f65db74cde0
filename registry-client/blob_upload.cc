#include "registry-client/blob_upload.h"

#include <utility>

#include "registry-client/blob_download.h"
#include "registry-client/retry.h"

namespace kiln::registry {

namespace asio = boost::asio;

namespace {

constexpr int kCreated = 201;

/// Where the upload goes. A registry behind a TLS proxy often believes that it is asked by plain
/// HTTP: a Location on its own host stays with the scheme that we came by.
Url upload_url(const Response& response) {
  const auto location = response.headers().find("Location");
  if (!location) {
    throw RegistryError(Errc::unavailable, response.status(),
                        fmt::format("POST {}: {} without a Location", response.url().redacted(),
                                    status_text(response.status())));
  }
  const Url& from = response.url();
  Url to = from.resolve(*location);
  if (from.tls && !to.tls) {
    if (to.host != from.host) {
      throw RegistryError(Errc::denied, response.status(),
                          fmt::format("POST {}: the upload would go to {}, which is not https",
                                      from.redacted(), to.redacted()));
    }
    to.tls = true;
    to.port = from.port;
  }
  return to;
}

/// Tells the registry that a blob is whole; `body` has what it does not have of it, if anything.
asio::awaitable<void> finish_upload(Session& session,
                                    Url url,
                                    const Digest& digest,
                                    UploadBody* body) {
  url.add_query("digest", digest.str());
  Request request{"PUT", std::move(url), {}, {}, body};
  request.headers.add("Content-Type", "application/octet-stream");
  auto response = co_await session.send(std::move(request));
  co_await response.read_words();
}

/// Where the blob's bytes are to go; nullopt when the registry mounted the blob instead.
asio::awaitable<std::optional<Url>> begin_upload(Session& session,
                                                 oci::Descriptor descriptor,
                                                 std::optional<std::string> mount_from) {
  Request request{"POST", co_await session.url("blobs/uploads/"), {}, {}, nullptr};
  if (mount_from) {
    Request mount = request;
    mount.url.add_query("mount", descriptor.digest.str());
    mount.url.add_query("from", *mount_from);
    try {
      auto response = co_await session.send(std::move(mount));
      co_await response.read_words();
      if (response.status() == kCreated) co_return std::nullopt;
      co_return upload_url(response);
    } catch (const TemporaryError&) {
      throw;
    } catch (const RegistryError&) {
      // Not every registry can mount, or lets us read the other repository: then send the bytes.
    }
  }
  auto response = co_await session.send(std::move(request));
  co_await response.read_words();
  co_return upload_url(response);
}

}  // namespace

asio::awaitable<bool> upload_blob(Session& session,
                                  oci::Descriptor descriptor,
                                  UploadBody& body,
                                  std::optional<std::string> mount_from) {
  if (co_await blob_exists(session, descriptor)) co_return false;
  auto url = co_await begin_upload(session, descriptor, std::move(mount_from));
  if (!url) co_return false;

  std::optional<TemporaryError> lost;
  try {
    co_await finish_upload(session, *url, descriptor.digest, &body);
  } catch (const RegistryError& error) {
    if (error.code() != Errc::not_found) throw;
    // The upload is forgotten (another instance behind the balancer, a restart): begin again.
    lost.emplace(error.status(), error.what());
  }
  if (lost) throw TemporaryError(*lost);
  body.finish();
  co_return true;
}

asio::awaitable<bool> upload_growing_blob(Session& session,
                                          UploadBody& body,
                                          std::function<oci::Descriptor()> describe) {
  Request begin{"POST", co_await session.url("blobs/uploads/"), {}, {}, nullptr};
  auto begun = co_await session.send(std::move(begin));
  co_await begun.read_words();
  Request request{"PATCH", upload_url(begun), {}, {}, &body};
  request.headers.add("Content-Type", "application/octet-stream");
  auto sent = co_await session.send(std::move(request));
  co_await sent.read_words();
  // Where it goes on may be another place each time.
  const Url rest = upload_url(sent);
  const oci::Descriptor descriptor = describe();
  if (co_await blob_exists(session, descriptor)) {
    auto given_up = co_await session.send({"DELETE", rest, {}, {}, nullptr}, 404);
    co_await given_up.read_words();
    co_return false;
  }
  co_await finish_upload(session, rest, descriptor.digest, nullptr);
  co_return true;
}

}  // namespace kiln::registry
