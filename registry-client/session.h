// One operation with one server: authorised requests, failures as errors.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "registry-client/auth.h"
#include "registry-client/endpoint.h"
#include "registry-client/transport.h"

namespace kiln::registry {

/// What an operation may do with its repository.
enum class Access { pull, push };

class Session {
 public:
  /// `transport` and `authenticator` must outlive the session.
  Session(Transport& transport,
          Authenticator& authenticator,
          Endpoint endpoint,
          std::string_view repository,
          Access access,
          CredentialsProvider credentials);

  /// Also asks to read another repository of the registry, for a cross-repository mount.
  void read_also(std::string_view repository);

  /// The URL of "manifests/latest", "blobs/sha256:..." in the repository.
  boost::asio::awaitable<Url> url(std::string_view path);

  /// Sends with whatever authorisation the server asks for. Returns a success, or the status
  /// `tolerated`; everything else throws RegistryError or TemporaryError.
  boost::asio::awaitable<Response> send(Request request, int tolerated = 0);

  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }

 private:
  boost::asio::awaitable<Authorization> authorize();

  Transport& transport_;
  Authenticator& authenticator_;
  Endpoint endpoint_;
  std::string repository_;
  OperationCredentials credentials_;
  AuthTarget target_;
};

}  // namespace kiln::registry
