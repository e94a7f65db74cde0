#include "registry-client/session.h"

#include <optional>
#include <utility>

namespace kiln::registry {

namespace asio = boost::asio;

namespace {

/// Unknown, cached but revoked, refused but replaced: more turns than these lead nowhere.
constexpr int kMaxAuthorizations = 4;

}  // namespace

Session::Session(Transport& transport,
                 Authenticator& authenticator,
                 Endpoint endpoint,
                 std::string_view repository,
                 Access access,
                 CredentialsProvider credentials)
    : transport_(transport),
      authenticator_(authenticator),
      endpoint_(std::move(endpoint)),
      repository_(endpoint_.prefix + std::string(repository)),
      credentials_(std::move(credentials), endpoint_.credentials_host) {
  target_.registry = endpoint_.credentials_host;
  target_.host = endpoint_.host;
  target_.scopes.push_back(
      fmt::format("repository:{}:{}", repository_, access == Access::push ? "pull,push" : "pull"));
}

void Session::read_also(std::string_view repository) {
  target_.scopes.push_back(fmt::format("repository:{}{}:pull", endpoint_.prefix, repository));
}

asio::awaitable<Url> Session::url(std::string_view path) {
  const std::string target = fmt::format("/v2/{}/{}", repository_, path);
  bool tls = endpoint_.scheme == Scheme::https;
  if (endpoint_.scheme == Scheme::probe) {
    tls = co_await transport_.speaks_tls(endpoint_.host, endpoint_.credentials_host);
  }
  Url url = Url::of_host(tls, endpoint_.host);
  url.target = target;
  target_.tls = tls;
  co_return url;
}

asio::awaitable<Authorization> Session::authorize() {
  for (;;) {
    std::optional<RegistryError> denied;
    try {
      co_return co_await authenticator_.authorize(target_, credentials_);
    } catch (const RegistryError& error) {
      if (error.code() != Errc::denied) throw;
      denied = error;
    }
    // The token server refused the credentials.
    if (!co_await credentials_.ask_again()) throw RegistryError(*denied);
  }
}

asio::awaitable<Response> Session::send(Request request, int tolerated) {
  const Url server = Url::of_host(request.url.tls, endpoint_.host);
  // An upload may be sent to another host: that one gets no credentials.
  const bool ours = request.url.same_origin(server);
  for (int turn = 1;; ++turn) {
    Authorization authorization;
    if (ours) authorization = co_await authorize();
    request.headers.remove("Authorization");
    if (!authorization.header.empty()) {
      request.headers.add("Authorization", authorization.header);
    }
    auto response = co_await transport_.send(request, endpoint_.credentials_host);
    const int status = response.status();
    if ((status >= 200 && status < 300) || status == tolerated) co_return response;

    const auto words = co_await response.read_words();
    const bool asks = status == 401 && ours && response.url().same_origin(server);
    if (!asks || turn == kMaxAuthorizations) response.fail(words);
    const bool changed =
        co_await authenticator_.refused(target_, authorization, response.headers(), credentials_);
    if (!changed) response.fail(words);
  }
}

}  // namespace kiln::registry
