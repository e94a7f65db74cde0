#include "registry-client/tls.h"

#include <boost/asio/ssl/context.hpp>

#include "builder/os/offload.h"
#include "proto/error.h"

namespace kiln::registry {

namespace {

namespace ssl = boost::asio::ssl;

std::shared_ptr<ssl::context> make_context(const TlsSettings& settings) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  if (settings.insecure) {
    context->set_verify_mode(ssl::verify_none);
    return context;
  }
  context->set_verify_mode(ssl::verify_peer);
  context->set_default_verify_paths();
  for (const auto& file : settings.ca_files) {
    boost::system::error_code error;
    context->load_verify_file(file, error);
    if (error) {
      throw Error(Errc::invalid_input,
                  "CA file {}: {}; name a readable file of PEM certificates under `ca`", file,
                  error.message());
    }
  }
  return context;
}

}  // namespace

boost::asio::awaitable<std::shared_ptr<ssl::context>> TlsContexts::get(TlsSettings settings) {
  if (const auto found = contexts_.find(settings); found != contexts_.end()) {
    co_return found->second;
  }
  auto context = co_await os::offload(pool_, [&settings] { return make_context(settings); });
  contexts_.emplace(std::move(settings), context);
  co_return context;
}

}  // namespace kiln::registry
