// Whom a TLS connection trusts.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <compare>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace boost::asio::ssl {
class context;
}

namespace kiln::registry {

struct TlsSettings {
  bool insecure = false;              ///< the certificate is not verified
  std::vector<std::string> ca_files;  ///< PEM, beside the system's
  friend auto operator<=>(const TlsSettings&, const TlsSettings&) = default;
};

/// One OpenSSL context for each distinct setting; reading certificates happens on the pool.
class TlsContexts {
 public:
  explicit TlsContexts(boost::asio::thread_pool& pool) : pool_(pool) {}

  /// Trusts the system's authorities (SSL_CERT_FILE and SSL_CERT_DIR are honoured) and ca_files.
  /// Throws Error{invalid_input} naming a file that cannot be read.
  boost::asio::awaitable<std::shared_ptr<boost::asio::ssl::context>> get(TlsSettings settings);

 private:
  boost::asio::thread_pool& pool_;
  std::map<TlsSettings, std::shared_ptr<boost::asio::ssl::context>> contexts_;
};

}  // namespace kiln::registry
