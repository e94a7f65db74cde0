// One request to wherever it leads: a pooled connection, redirects, the body as a stream.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <map>
#include <string>

#include "proto/bytes.h"
#include "registry-client/client.h"
#include "registry-client/connection_pool.h"
#include "registry-client/http.h"
#include "registry-client/registry_error.h"

namespace kiln::registry {

/// A response whose body has not been read yet. Dropping it before the end closes the connection.
class Response {
 public:
  Response(ConnectionPool& pool, ConnectionPool::Lease lease, ResponseHead head, Asked asked);

  [[nodiscard]] int status() const noexcept { return head_.status; }
  [[nodiscard]] const Headers& headers() const noexcept { return head_.headers; }
  /// Where it came from, after redirects.
  [[nodiscard]] const Url& url() const noexcept { return asked_.url; }
  [[nodiscard]] const Asked& asked() const noexcept { return asked_; }

  /// Fills `buffer`; fewer bytes than its size only at the end. Throws TemporaryError.
  boost::asio::awaitable<std::size_t> read(MutableBytes buffer);

  /// The whole body; throws RegistryError{corrupt} when it is larger than `limit_bytes`.
  boost::asio::awaitable<std::string> read_all(std::size_t limit_bytes);

  /// Reads what an error says, as much of it as matters. Throws only when cancelled.
  boost::asio::awaitable<std::string> read_words();

  /// Throws the error that this response is; `words` are its body.
  [[noreturn]] void fail(std::string_view words) const { throw_status(asked_, head_, words); }

 private:
  void give_back_when_done();

  ConnectionPool& pool_;
  ConnectionPool::Lease lease_;
  ResponseHead head_;
  Asked asked_;
};

/// How far redirects are followed.
struct Redirects {
  int max_hops = 5;
  bool may_lose_tls = false;  ///< from https to http
};

/// Whether the certificate of a loopback host that has no configuration is verified.
enum class Loopback { trusted, verified };

class Transport {
 public:
  /// Everything must outlive the transport.
  Transport(const Client::Options& options,
            boost::asio::thread_pool& pool,
            Loopback loopback = Loopback::trusted);

  /// Sends `request` and returns the final response's head. GET and HEAD follow redirects, others
  /// only those that keep the method (307, 308). Authorization goes to the first origin only, and
  /// never from https to http. `registry` is the name for messages' advice; "": there is none.
  /// Throws TemporaryError, RegistryError.
  boost::asio::awaitable<Response> send(Request request,
                                        std::string registry,
                                        Redirects redirects = {});

  /// True when the loopback `host` speaks TLS; asked of it once. Throws as send().
  boost::asio::awaitable<bool> speaks_tls(std::string host, std::string registry);

  /// Closes connections idle for longer than they are kept.
  void close_expired() { connections_.close_expired(); }

 private:
  boost::asio::awaitable<Response> send_once(Request& request, std::string registry);
  boost::asio::awaitable<ConnectionPool::Lease> connect(Asked asked, bool fresh);
  [[nodiscard]] TlsSettings tls_settings(const Url& url) const;

  const Client::Options& options_;
  Loopback loopback_;
  ConnectionPool connections_;
  std::map<std::string, bool> speaks_tls_;
};

}  // namespace kiln::registry
