// The daemon's API as calls: connects (starting a daemon where that is allowed), asks, and turns
// error answers into Error.
#pragma once

#include <poll.h>

#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "cli/connection.h"
#include "cli/endpoint.h"
#include "cli/progress.h"
#include "proto/messages.h"

namespace kiln::cli {

/// Credentials for a registry ("docker.io", "host:port"); all empty when there are none.
using CredentialSource = std::function<Credentials(const std::string& registry)>;

using Outcome = std::variant<Finished, Failed>;

/// Descriptors that are served while an answer is awaited.
class Companion {
 public:
  virtual ~Companion() = default;
  /// Appends what to wait for; called before each wait, the first time after the request was sent.
  virtual void want(std::vector<pollfd>& waiting) = 0;
  /// Gets the same entries back, with what is ready.
  virtual void serve(std::span<const pollfd> ready) = 0;
};

class Client {
 public:
  struct Options {
    Endpoint endpoint;
    bool may_start = true;  ///< start a daemon when none listens and none was named
    bool quiet = false;     ///< do not say that one was started
  };

  explicit Client(Options options) : options_(std::move(options)) {}

  /// The body of a 2xx answer. Throws Error with the daemon's code and message, ConnectionError.
  std::string call(const Request& request);

  /// Shows the events of the answer until the last one, which it returns (after showing it too),
  /// and hands over the credentials that the daemon asks for. Throws Interrupted on ^C: closing the
  /// connection then cancels the operation.
  /// `companion` may be nullptr.
  Outcome follow(const Request& request,
                 Progress& progress,
                 const CredentialSource& credentials,
                 Companion* companion = nullptr);

  /// The socket in use, once connected.
  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }

 private:
  Connection connect();
  void answer(const CredentialsNeeded& wanted,
              Progress& progress,
              const CredentialSource& credentials);

  Options options_;
  std::string socket_path_;
};

}  // namespace kiln::cli
