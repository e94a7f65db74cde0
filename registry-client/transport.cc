#include "registry-client/transport.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/system/system_error.hpp>
#include <optional>
#include <span>
#include <utility>

#include "registry-client/endpoint.h"
#include "registry-client/retry.h"

namespace kiln::registry {

namespace asio = boost::asio;
using boost::system::system_error;

namespace {

constexpr std::size_t kMaxWordsBytes = 64U * 1024;
/// Beside the transfers of blobs: manifests, questions, tokens.
constexpr int kExtraConnections = 2;

bool was_cancelled(const system_error& error) {
  return error.code() == asio::error::operation_aborted;
}

std::string cause_of(const system_error& error) {
  namespace http = boost::beast::http;
  const auto& code = error.code();
  if (code == asio::error::timed_out) return "no byte arrived in time, the connection was closed";
  if (code == http::error::end_of_stream) return "the server closed the connection";
  if (code == http::error::partial_message) {
    return "the server closed the connection in the middle of the response";
  }
  if (code.category() == http::make_error_code(http::error::bad_version).category()) {
    return fmt::format("the answer is not HTTP: {}", code.message());
  }
  return code.message();
}

bool follows(const std::string& method, int status) {
  if (status == 307 || status == 308) return true;
  const bool reads = method == "GET" || method == "HEAD";
  return reads && (status == 301 || status == 302 || status == 303);
}

}  // namespace

Response::Response(ConnectionPool& pool,
                   ConnectionPool::Lease lease,
                   ResponseHead head,
                   Asked asked)
    : pool_(pool), lease_(std::move(lease)), head_(std::move(head)), asked_(std::move(asked)) {
  give_back_when_done();
}

void Response::give_back_when_done() {
  if (lease_.connection && lease_.connection->body_done()) pool_.give_back(std::move(lease_));
}

asio::awaitable<std::size_t> Response::read(MutableBytes buffer) {
  if (!lease_.connection) co_return 0;
  std::optional<std::string> cause;
  std::size_t count = 0;
  try {
    count = co_await lease_.connection->read_body(buffer);
  } catch (const system_error& error) {
    if (was_cancelled(error)) throw;
    cause = cause_of(error);
  }
  if (cause) throw_broken(asked_, *cause);
  give_back_when_done();
  co_return count;
}

asio::awaitable<std::string> Response::read_all(std::size_t limit_bytes) {
  std::string body;
  for (;;) {
    const std::size_t had = body.size();
    const std::size_t step = std::min<std::size_t>(64U * 1024, limit_bytes + 1 - had);
    body.resize(had + step);
    const auto space = std::as_writable_bytes(std::span(body)).subspan(had);
    const std::size_t count = co_await read(space);
    body.resize(had + count);
    if (body.size() > limit_bytes) {
      throw RegistryError(Errc::corrupt, head_.status,
                          fmt::format("{} {}: the answer is larger than {} bytes", asked_.method,
                                      asked_.url.redacted(), limit_bytes));
    }
    if (count < step) co_return body;
  }
}

asio::awaitable<std::string> Response::read_words() {
  std::string body(kMaxWordsBytes, '\0');
  std::size_t count = 0;
  try {
    count = co_await read(std::as_writable_bytes(std::span(body)));
  } catch (const TemporaryError&) {
    // The status says enough; its explanation was cut off.
  }
  body.resize(count);
  co_return body;
}

Transport::Transport(const Client::Options& options, asio::thread_pool& pool, Loopback loopback)
    : options_(options),
      loopback_(loopback),
      connections_(pool, options.timeouts, options.max_transfers_per_host + kExtraConnections) {}

TlsSettings Transport::tls_settings(const Url& url) const {
  if (loopback_ == Loopback::verified && !is_configured(options_.registries, url)) return {};
  return tls_settings_for(options_.registries, url);
}

asio::awaitable<ConnectionPool::Lease> Transport::connect(Asked asked, bool fresh) {
  std::optional<ConnectError> failure;
  try {
    co_return co_await connections_.acquire(asked.url, tls_settings(asked.url), fresh);
  } catch (const ConnectError& error) {
    failure = error;
  }
  speaks_tls_.erase(asked.url.authority());  // whoever listens there next may be another
  throw_connect(asked, *failure);
}

asio::awaitable<Response> Transport::send_once(Request& request, std::string registry) {
  const Asked asked{request.method, request.url, std::move(registry),
                    request.headers.find("Authorization").has_value()};
  for (bool fresh = false;; fresh = true) {
    auto lease = co_await connect(asked, fresh);
    std::optional<std::string> cause;
    try {
      auto head = co_await lease.connection->exchange(request);
      co_return Response(connections_, std::move(lease), std::move(head), asked);
    } catch (const system_error& error) {
      if (was_cancelled(error)) throw;
      // A kept-alive connection that the server gave up meanwhile: the request was never looked at.
      const bool stale =
          lease.reused && !lease.connection->heard() && error.code() != asio::error::timed_out;
      if (!stale || fresh) cause = cause_of(error);
    }
    if (cause) throw_broken(asked, *cause);
  }
}

asio::awaitable<Response> Transport::send(Request request,
                                          std::string registry,
                                          Redirects redirects) {
  request.headers.add("User-Agent", options_.user_agent);
  for (int hops = 0;; ++hops) {
    auto response = co_await send_once(request, registry);
    const auto location = response.headers().find("Location");
    if (!location || !follows(request.method, response.status())) co_return response;

    const Url next = request.url.resolve(*location);
    const auto refuse = [&](std::string_view why) {
      throw RegistryError(Errc::denied, response.status(),
                          fmt::format("{} {}: {} to {}: {}", request.method, request.url.redacted(),
                                      status_text(response.status()), next.redacted(), why));
    };
    if (hops == redirects.max_hops) refuse("too many redirects");
    if (request.url.tls && !next.tls && !redirects.may_lose_tls)
      refuse("a redirect from https to http is not followed");
    if (!next.same_origin(request.url)) request.headers.remove("Authorization");
    co_await response.read_words();  // so that the connection can be used again
    request.url = next;
  }
}

asio::awaitable<bool> Transport::speaks_tls(std::string host, std::string registry) {
  const Url https = Url::of_host(true, host);
  const auto key = https.authority();
  if (const auto known = speaks_tls_.find(key); known != speaks_tls_.end()) co_return known->second;

  bool tls = true;
  std::optional<ConnectError> failure;
  try {
    // A handshake tells; the connection is for the request that follows.
    connections_.give_back(co_await connections_.acquire(https, tls_settings(https), false));
  } catch (const ConnectError& error) {
    tls = false;
    // Without a port the two schemes are two ports: nobody on 443 says nothing about 80.
    const bool same_port = Url::of_host(false, host).port == https.port;
    if (error.stage() != ConnectError::Stage::tls && same_port) failure = error;
  }
  if (failure) throw_connect({"GET", https, std::move(registry), false}, *failure);
  co_return speaks_tls_[key] = tls;
}

}  // namespace kiln::registry
