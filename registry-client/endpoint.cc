#include "registry-client/endpoint.h"

#include <optional>

#include "proto/reference.h"

namespace kiln::registry {

namespace {

constexpr std::string_view kDockerHubHost = "registry-1.docker.io";

const HostConfig* find_entry(const RegistryConfig& config, std::string_view host) {
  const auto found = config.find(std::string(host));
  if (found != config.end()) return &found->second;
  return host == kDockerHubHost ? find_entry(config, kDockerHub) : nullptr;
}

Scheme scheme_of(const RegistryConfig& config, std::string_view host) {
  if (const auto* entry = find_entry(config, host)) {
    return entry->plain_http ? Scheme::http : Scheme::https;
  }
  return is_loopback(host) ? Scheme::probe : Scheme::https;
}

/// "[scheme://]host[:port][/prefix]"; the scheme is Docker's way to write a mirror.
Endpoint mirror_endpoint(const RegistryConfig& config, const std::string& text) {
  std::string_view rest = text;
  std::optional<Scheme> scheme;
  if (rest.starts_with("https://")) scheme = Scheme::https;
  if (rest.starts_with("http://")) scheme = Scheme::http;
  if (scheme) rest.remove_prefix(rest.find("//") + 2);

  Endpoint endpoint;
  endpoint.name = text;
  endpoint.host = rest.substr(0, rest.find('/'));
  endpoint.credentials_host = endpoint.host;
  std::string_view prefix = rest.substr(endpoint.host.size());
  while (prefix.starts_with('/'))
    prefix.remove_prefix(1);
  while (prefix.ends_with('/'))
    prefix.remove_suffix(1);
  if (!prefix.empty()) endpoint.prefix = std::string(prefix) + "/";
  endpoint.scheme = scheme.value_or(scheme_of(config, endpoint.host));
  endpoint.mirror = true;
  return endpoint;
}

const HostConfig* entry_of(const RegistryConfig& config, const Url& url) {
  const auto* entry = find_entry(config, url.authority());
  return entry ? entry : find_entry(config, fmt::format("{}:{}", url.host, url.port));
}

}  // namespace

Endpoint origin_endpoint(const RegistryConfig& config, std::string_view registry) {
  Endpoint endpoint;
  endpoint.name = registry;
  endpoint.host = registry == kDockerHub ? kDockerHubHost : registry;
  endpoint.credentials_host = registry;
  endpoint.scheme = scheme_of(config, endpoint.host);
  return endpoint;
}

std::vector<Endpoint> endpoints_for(const RegistryConfig& config, std::string_view registry) {
  std::vector<Endpoint> endpoints;
  if (const auto* entry = find_entry(config, registry)) {
    for (const auto& mirror : entry->mirrors)
      endpoints.push_back(mirror_endpoint(config, mirror));
  }
  endpoints.push_back(origin_endpoint(config, registry));
  return endpoints;
}

bool is_configured(const RegistryConfig& config, const Url& url) {
  return entry_of(config, url) != nullptr;
}

TlsSettings tls_settings_for(const RegistryConfig& config, const Url& url) {
  if (const auto* entry = entry_of(config, url)) return {entry->insecure, entry->ca_files};
  return {is_loopback(url.authority()), {}};
}

}  // namespace kiln::registry
