// One operation's view of a host's credentials: asked for when first needed, and once more when
// what was given is refused.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "registry-client/client.h"

namespace kiln::registry {

class OperationCredentials {
 public:
  OperationCredentials(CredentialsProvider provider, std::string host)
      : provider_(std::move(provider)), host_(std::move(host)) {}

  /// nullopt is anonymous. The reference is valid until ask_again().
  boost::asio::awaitable<const std::optional<Credentials>*> get();

  /// After a refusal: true when there are other credentials now. At most one question.
  boost::asio::awaitable<bool> ask_again();

  /// Tells identities apart without keeping them: tokens of one are not given to another.
  [[nodiscard]] std::string fingerprint() const;

 private:
  boost::asio::awaitable<std::optional<Credentials>> ask();

  CredentialsProvider provider_;
  std::string host_;
  std::optional<Credentials> credentials_;
  bool asked_ = false;
  bool asked_again_ = false;
};

}  // namespace kiln::registry
