#include "registry-client/credentials.h"

#include "proto/digest.h"

namespace kiln::registry {

namespace asio = boost::asio;

namespace {

/// Docker's credential helpers say "<token>" for a password that is a refresh token.
constexpr std::string_view kTokenUser = "<token>";

std::string fingerprint_of(const std::optional<Credentials>& credentials) {
  if (!credentials) return {};
  Sha256 sha;
  for (const auto& part :
       {credentials->username, credentials->password, credentials->identity_token}) {
    sha.update(std::to_string(part.size()) + ":");
    sha.update(part);
  }
  return sha.finish().str();
}

}  // namespace

asio::awaitable<std::optional<Credentials>> OperationCredentials::ask() {
  if (!provider_) co_return std::nullopt;
  auto answer = co_await provider_(host_);
  if (answer && answer->username == kTokenUser && answer->identity_token.empty()) {
    answer->identity_token = std::move(answer->password);
    answer->username.clear();
    answer->password.clear();
  }
  // "All empty: the client has none."
  if (answer && answer->username.empty() && answer->identity_token.empty()) co_return std::nullopt;
  co_return answer;
}

asio::awaitable<const std::optional<Credentials>*> OperationCredentials::get() {
  if (!asked_) {
    credentials_ = co_await ask();
    asked_ = true;
  }
  co_return &credentials_;
}

asio::awaitable<bool> OperationCredentials::ask_again() {
  if (!asked_ || asked_again_) co_return false;
  asked_again_ = true;
  const auto before = fingerprint();
  credentials_ = co_await ask();
  co_return fingerprint() != before;
}

std::string OperationCredentials::fingerprint() const {
  return fingerprint_of(credentials_);
}

}  // namespace kiln::registry
