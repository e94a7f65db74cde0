// Who we are to a registry: Basic, or a Bearer token from the server that the registry names.
//
// Tokens are kept per registry, scopes and identity: one user's token never serves another's
// request.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "builder/os/task_group.h"
#include "registry-client/challenge.h"
#include "registry-client/credentials.h"
#include "registry-client/transport.h"

namespace kiln::registry {

/// What an Authorization is for.
struct AuthTarget {
  std::string registry;  ///< the name for messages
  std::string host;      ///< host[:port] on the wire
  bool tls = true;
  std::vector<std::string> scopes;  ///< "repository:library/busybox:pull"
};

struct Authorization {
  std::string header;  ///< "" is none
  bool cached = false;
};

class Authenticator {
 public:
  explicit Authenticator(Transport& transport) : transport_(transport) {}

  /// What the host is known to want, "" when nothing is known yet. Fetches a token when none that
  /// is valid is at hand. Throws TemporaryError, RegistryError{denied}.
  boost::asio::awaitable<Authorization> authorize(AuthTarget target,
                                                  OperationCredentials& credentials);

  /// The host answered 401 to `sent`: learns from its challenges, and adds the scope that they name
  /// to the target's. True when authorize() will now give something else.
  boost::asio::awaitable<bool> refused(AuthTarget& target,
                                       Authorization sent,
                                       const Headers& headers,
                                       OperationCredentials& credentials);

 private:
  struct Token {
    explicit Token(const boost::asio::any_io_executor& executor) : gate(executor, 1) {}
    os::Limiter gate;  ///< one fetches, the others wait for what it gets
    std::string text;
    std::chrono::steady_clock::time_point expires_at;
    [[nodiscard]] bool valid() const {
      return !text.empty() && std::chrono::steady_clock::now() < expires_at;
    }
  };

  boost::asio::awaitable<Authorization> bearer(AuthTarget target,
                                               Challenge challenge,
                                               OperationCredentials& credentials);
  boost::asio::awaitable<void> fetch(AuthTarget target,
                                     Challenge challenge,
                                     OperationCredentials& credentials,
                                     Token& token);
  std::shared_ptr<Token> token_for(const std::string& key,
                                   const boost::asio::any_io_executor& executor);

  Transport& transport_;
  std::map<std::string, Challenge> challenges_;           ///< by host
  std::map<std::string, std::shared_ptr<Token>> tokens_;  ///< by host, scopes and identity
};

}  // namespace kiln::registry
