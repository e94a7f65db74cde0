#include "registry-client/connection_pool.h"

#include <boost/asio/this_coro.hpp>
#include <utility>

namespace kiln::registry {

namespace asio = boost::asio;

namespace {

/// Connections that were verified differently are not interchangeable.
std::string origin_of(const Url& url, const TlsSettings& tls) {
  return fmt::format("{}{}://{}", tls.insecure ? "insecure+" : "", url.tls ? "https" : "http",
                     url.authority());
}

}  // namespace

ConnectionPool::ConnectionPool(asio::thread_pool& pool, Timeouts timeouts, int max_per_host)
    : timeouts_(timeouts), max_per_host_(max_per_host), contexts_(pool) {}

asio::awaitable<ConnectionPool::Lease> ConnectionPool::acquire(Url url,
                                                               TlsSettings tls,
                                                               bool fresh) {
  close_expired();
  const auto executor = co_await asio::this_coro::executor;
  std::string origin = origin_of(url, tls);
  auto& host = hosts_.try_emplace(origin, executor, max_per_host_).first->second;
  auto slot = co_await host.in_use.acquire();
  if (fresh) host.idle.clear();
  while (!host.idle.empty()) {
    auto connection = std::move(host.idle.back().connection);
    host.idle.pop_back();
    if (connection->is_stale()) continue;
    co_return Lease{std::move(connection), std::move(slot), std::move(origin), true};
  }

  std::shared_ptr<asio::ssl::context> context;
  if (url.tls) context = co_await contexts_.get(std::move(tls));
  auto stream = co_await ByteStream::open(std::move(url), std::move(context),
                                          {timeouts_.connect, timeouts_.handshake});
  auto connection = std::make_unique<Connection>(
      std::move(stream), Connection::Limits{timeouts_.idle, timeouts_.response});
  co_return Lease{std::move(connection), std::move(slot), std::move(origin), false};
}

void ConnectionPool::give_back(Lease lease) {
  if (!lease.connection->reusable()) return;
  const auto host = hosts_.find(lease.origin);
  check(host != hosts_.end(), "a leased connection's host is known");
  host->second.idle.push_back({std::move(lease.connection), std::chrono::steady_clock::now()});
}

void ConnectionPool::close_expired() {
  const auto oldest = std::chrono::steady_clock::now() - kMaxIdle;
  for (auto& [origin, host] : hosts_)
    host.idle.remove_if([&](const Idle& idle) { return idle.since < oldest; });
}

}  // namespace kiln::registry
