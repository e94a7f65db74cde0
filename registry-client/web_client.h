// Files of ordinary web servers, by the same transport as registries.
//
// Unlike a registry's, a redirect may lead anywhere, from https to http too, as browsers and
// BuildKit follow it; credentials go to the first origin only. Certificates are always verified,
// those of the configuration's hosts as it says.
// Thread: the event loop's; bodies are written to sinks on the pool.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "proto/bytes.h"
#include "registry-client/client.h"
#include "registry-client/http.h"

namespace kiln::registry {

struct WebRequest {
  std::string url;  ///< a user name and password in it are sent as such (Basic)
  Headers headers;
};

struct WebAnswer {
  int status = 0;  ///< 2xx or 304
  Headers headers;
};

/// Called on the pool for a 2xx answer: where its body goes, or null when nobody wants it. Called
/// again for each attempt; `finish` of the sink is called when the whole body was written.
using OpenBody = std::function<std::unique_ptr<Sink>(const WebAnswer& answer)>;

/// Bytes of the body so far, and all of them; 0 when the server does not say.
using WebProgressFn = std::function<void(std::uint64_t current_bytes, std::uint64_t total_bytes)>;

class WebClient {
 public:
  /// `pool` outlives the client. `options.registries` says whom to trust by host.
  WebClient(boost::asio::thread_pool& pool, Client::Options options);
  ~WebClient();

  /// GET. Temporary failures are tried again, from the body's beginning. Any other status is
  /// RegistryError, its message "GET URL: 404 Not Found: the server's words".
  boost::asio::awaitable<WebAnswer> get(WebRequest request, OpenBody open, WebProgressFn progress);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kiln::registry
