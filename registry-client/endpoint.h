// From a registry's name and the configuration to the servers that are asked, in order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "registry-client/client.h"
#include "registry-client/tls.h"
#include "registry-client/url.h"

namespace kiln::registry {

/// `probe`: nobody said; a loopback host may speak either.
enum class Scheme { https, http, probe };

struct Endpoint {
  std::string name;              ///< as the user or the configuration has it, for messages
  std::string host;              ///< host[:port] on the wire
  std::string credentials_host;  ///< whose credentials are asked for
  std::string prefix;            ///< before the repository: "" or "proxy/"
  Scheme scheme = Scheme::https;
  bool mirror = false;
};

/// The registry itself: docker.io is registry-1.docker.io on the wire.
[[nodiscard]] Endpoint origin_endpoint(const RegistryConfig& config, std::string_view registry);

/// The registry's mirrors in the configured order, then the registry itself.
[[nodiscard]] std::vector<Endpoint> endpoints_for(const RegistryConfig& config,
                                                  std::string_view registry);

/// True when the host of `url` has an entry.
[[nodiscard]] bool is_configured(const RegistryConfig& config, const Url& url);

/// Whom a connection to `url` trusts. Loopback hosts without an entry are not verified: nobody else
/// can listen there (Docker's rule for 127.0.0.0/8).
[[nodiscard]] TlsSettings tls_settings_for(const RegistryConfig& config, const Url& url);

}  // namespace kiln::registry
