#include "registry-client/auth.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "registry-client/token_request.h"

namespace kiln::registry {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxTokenBytes = 1024U * 1024;
/// A token must still be valid when the registry looks at it.
constexpr std::chrono::seconds kMargin{10};

/// The strongest challenge that we can answer.
std::optional<Challenge> choose(const Headers& headers) {
  std::optional<Challenge> chosen;
  for (const auto value : headers.all("WWW-Authenticate")) {
    for (auto& challenge : parse_challenges(value)) {
      if (challenge.scheme == "bearer" && !challenge.parameter("realm").empty()) return challenge;
      if (challenge.scheme == "basic") chosen = std::move(challenge);
    }
  }
  return chosen;
}

}  // namespace

asio::awaitable<Authorization> Authenticator::authorize(AuthTarget target,
                                                        OperationCredentials& credentials) {
  const auto known = challenges_.find(target.host);
  if (known == challenges_.end()) co_return Authorization{};
  const Challenge challenge = known->second;
  if (challenge.scheme == "bearer") {
    co_return co_await bearer(std::move(target), challenge, credentials);
  }
  const auto* given = co_await credentials.get();
  if (!*given) co_return Authorization{};
  co_return Authorization{basic_authorization(**given), false};
}

std::shared_ptr<Authenticator::Token> Authenticator::token_for(
    const std::string& key, const asio::any_io_executor& executor) {
  std::erase_if(tokens_, [](const auto& entry) {
    return entry.second.use_count() == 1 && !entry.second->valid();
  });
  auto& token = tokens_[key];
  if (!token) token = std::make_shared<Token>(executor);
  return token;
}

asio::awaitable<Authorization> Authenticator::bearer(AuthTarget target,
                                                     Challenge challenge,
                                                     OperationCredentials& credentials) {
  co_await credentials.get();
  target.scopes = merge_scopes(std::move(target.scopes), "");
  const auto key = fmt::format("{}\n{}\n{}\n{}\n{}", target.host, challenge.parameter("realm"),
                               challenge.parameter("service"), fmt::join(target.scopes, " "),
                               credentials.fingerprint());
  const auto token = token_for(key, co_await asio::this_coro::executor);
  const auto turn = co_await token->gate.acquire();
  const bool cached = token->valid();
  if (!cached) co_await fetch(std::move(target), std::move(challenge), credentials, *token);
  co_return Authorization{"Bearer " + token->text, cached};
}

asio::awaitable<void> Authenticator::fetch(AuthTarget target,
                                           Challenge challenge,
                                           OperationCredentials& credentials,
                                           Token& token) {
  auto request = token_request(challenge, target.scopes, *co_await credentials.get());
  if (target.tls && !request.url.tls) {
    throw RegistryError(
        Errc::denied, 401,
        fmt::format("{}: its token server {} is not https: credentials are not sent there",
                    target.registry, request.url.redacted()));
  }
  auto response = co_await transport_.send(std::move(request), target.registry);
  if (response.status() < 200 || response.status() > 299) {
    response.fail(co_await response.read_words());
  }
  const auto body = co_await response.read_all(kMaxTokenBytes);
  auto answer = within(fmt::format("token server {}", response.url().redacted()),
                       [&] { return parse_token_answer(body); });
  token.text = std::move(answer.token);
  token.expires_at = std::chrono::steady_clock::now() + answer.lifetime - kMargin;
}

asio::awaitable<bool> Authenticator::refused(AuthTarget& target,
                                             Authorization sent,
                                             const Headers& headers,
                                             OperationCredentials& credentials) {
  auto challenge = choose(headers);
  if (!challenge) co_return false;
  // The scope is this request's; realm and service are the host's.
  target.scopes = merge_scopes(std::move(target.scopes), challenge->parameter("scope"));
  challenge->parameters.erase("scope");
  challenges_.insert_or_assign(target.host, *challenge);
  if (sent.header.empty()) {
    co_return challenge->scheme == "bearer" || (co_await credentials.get())->has_value();
  }
  for (auto& [key, token] : tokens_) {
    if ("Bearer " + token->text == sent.header) token->text.clear();
  }
  // A cached token may have been revoked; one that was just made for us was refused.
  co_return sent.cached || co_await credentials.ask_again();
}

}  // namespace kiln::registry
