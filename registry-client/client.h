// The OCI distribution protocol from the client's side: blobs and manifests of one registry at a
// time.
//
// Everything a server sends is hostile: sizes are limited, digests verified while the bytes stream,
// redirects never carry credentials to another host.
// Thread: the event loop's; byte streams are written to sinks on the pool.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/bytes.h"
#include "proto/error.h"
#include "proto/messages.h"
#include "proto/oci.h"
#include "proto/reference.h"

namespace kiln::registry {

/// A failed request: the HTTP status and what the registry itself said.
class RegistryError : public Error {
 public:
  RegistryError(Errc code, int status, std::string message)
      : Error(code, std::move(message)), status_(status) {}
  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  int status_;
};

/// How to reach one registry host; the keys of `[registry."HOST"]`.
struct HostConfig {
  /// host[:port][/path prefix], tried in order before the host itself
  std::vector<std::string> mirrors{};
  bool plain_http = false;              ///< http = true
  bool insecure = false;                ///< TLS, but the certificate is not verified
  std::vector<std::string> ca_files{};  ///< PEM, beside the system's
};

/// All registries by host[:port]; a host without an entry gets HTTPS.
using RegistryConfig = std::map<std::string, HostConfig>;

/// Asks whoever wants the transfer for a host's credentials; called at most once a host and
/// operation, again after a 401 to what was given. nullopt: anonymous.
using CredentialsProvider =
    std::function<boost::asio::awaitable<std::optional<Credentials>>(std::string host)>;

/// Bytes moved so far of one blob; called on the event loop, not for every packet.
using ProgressFn = std::function<void(std::uint64_t current_bytes)>;

/// A manifest or index exactly as the registry has it: the digest is that of these bytes.
struct RawManifest {
  std::string bytes;
  std::string media_type;
  Digest digest;
};

/// Opens the blob's bytes from the beginning; called again for each attempt. Called on the pool.
using OpenSource = std::function<std::unique_ptr<Source>()>;

/// A blob that is sent while it is written: its size and digest are known at its end.
struct GrowingSource {
  /// Reads what is there already: a read at the present end gives 0. Called once, on the pool.
  OpenSource open;
  /// Waits until there are more than `read_bytes` and it is worth to read on; false when those were
  /// all. Throws when the rest will not come. On the event loop.
  std::function<boost::asio::awaitable<bool>(std::uint64_t read_bytes)> more;
  /// What it has become, once more() has given false.
  std::function<oci::Descriptor()> describe;
};

/// Opens where a blob goes, empty; called again for each attempt. Called on the pool.
using OpenSink = std::function<std::unique_ptr<Sink>()>;

/// How long a silent peer is waited for.
struct Timeouts {
  std::chrono::milliseconds connect{20'000};    ///< each address, and the name
  std::chrono::milliseconds handshake{20'000};  ///< of TLS
  std::chrono::milliseconds idle{60'000};       ///< without a byte in either direction
  /// From an upload's last byte to the answer: registries move large blobs before they answer.
  std::chrono::milliseconds response{300'000};
};

/// Waits that long; replaced in tests.
using SleepFn = std::function<boost::asio::awaitable<void>(std::chrono::milliseconds)>;

/// Long-lived: keeps connections and tokens per host. One for the daemon.
class Client {
 public:
  struct Options {
    RegistryConfig registries;
    std::string user_agent = "kiln";
    int max_transfers_per_host = 4;
    Timeouts timeouts;
    SleepFn sleep;  ///< between attempts; empty is a timer
  };

  /// `pool` runs sinks and sources; both must outlive the client.
  Client(boost::asio::io_context& io, boost::asio::thread_pool& pool, Options options);
  ~Client();

  /// The manifest or index that `reference` (tag or digest) names, from a mirror if one has it.
  /// A digest in the reference is verified. Throws RegistryError: not_found, denied, unavailable;
  /// corrupt.
  boost::asio::awaitable<RawManifest> get_manifest(Reference reference,
                                                   CredentialsProvider credentials);

  /// The same from the registry itself: a mirror may not know what was written a moment ago.
  boost::asio::awaitable<RawManifest> get_own_manifest(Reference reference,
                                                       CredentialsProvider credentials);

  /// The tags of a repository that begin with `prefix`, sorted; none when there is no such
  /// repository. Reads all pages: registries neither filter nor agree on an order.
  boost::asio::awaitable<std::vector<std::string>> list_tags(Reference repository,
                                                             std::string prefix,
                                                             CredentialsProvider credentials);

  /// Removes the manifest of the reference's digest, with all of its tags. Many registries refuse.
  boost::asio::awaitable<void> delete_manifest(Reference reference,
                                               CredentialsProvider credentials);

  /// Streams a blob into the sink that `open` gives; verified against descriptor's digest and size
  /// before finish(). Retries what is temporary, from the beginning.
  boost::asio::awaitable<void> get_blob(Reference repository,
                                        oci::Descriptor descriptor,
                                        OpenSink open,
                                        CredentialsProvider credentials,
                                        ProgressFn progress);

  /// True when the repository has the blob.
  boost::asio::awaitable<bool> has_blob(Reference repository,
                                        oci::Descriptor descriptor,
                                        CredentialsProvider credentials);

  /// Uploads a blob unless the repository has it; asks first for a cross-repository mount when
  /// `mount_from` (a repository of the same registry) is given. True when bytes were sent.
  boost::asio::awaitable<bool> put_blob(Reference repository,
                                        oci::Descriptor descriptor,
                                        OpenSource open,
                                        std::optional<std::string> mount_from,
                                        CredentialsProvider credentials,
                                        ProgressFn progress);

  /// Uploads a blob while it is written, in one attempt; what fails can be sent by put_blob()
  /// later. False when the repository turned out to have it: then the upload is given up. Takes no
  /// place among a host's transfers, because it may wait for its source. source: OCI
  /// distribution-spec v1.1 "Pushing a blob in chunks"; the body of the one chunk has no length
  /// (RFC 9112 section 7.1), as the Docker engine sends it.
  boost::asio::awaitable<bool> put_growing_blob(Reference repository,
                                                GrowingSource source,
                                                CredentialsProvider credentials);

  /// Stores a manifest under the reference's tag, or its digest when it has none.
  boost::asio::awaitable<void> put_manifest(Reference reference,
                                            std::string bytes,
                                            std::string media_type,
                                            CredentialsProvider credentials);

  /// Closes connections that nobody used for half a minute, until cancelled. For the owner's
  /// TaskGroup: without it they are closed when the client is used next, or destroyed.
  boost::asio::awaitable<void> close_idle_connections();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln::registry
