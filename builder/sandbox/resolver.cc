#include "builder/sandbox/resolver.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

constexpr std::size_t kMaxFileBytes = 1024 * 1024;

std::string read_if_exists(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error) ? os::read_file(path, kMaxFileBytes) : std::string();
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1" || address.starts_with("::ffff:127.");
}

/// False for a file without any resolver: the C library then asks 127.0.0.1, but nobody chose it.
bool only_loopback(const std::string& resolv_conf) {
  std::istringstream lines(resolv_conf);
  bool loopback = false;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string keyword;
    std::string address;
    if (!(words >> keyword >> address) || keyword != "nameserver") continue;
    if (!is_loopback(address)) return false;
    loopback = true;
  }
  return loopback;
}

bool is_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> buffer;
  // A zone ("fe80::1%eth0") is for the resolver, not part of the address.
  const std::string address = text.substr(0, text.find('%'));
  return ::inet_pton(AF_INET, address.c_str(), buffer.data()) == 1 ||
         ::inet_pton(AF_INET6, address.c_str(), buffer.data()) == 1;
}

bool is_host_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '#' && c != 0x7f;
  });
}

}  // namespace

ResolverConfig resolver_config(const std::filesystem::path& root, bool shares_host_network) {
  ResolverConfig config;
  config.text = read_if_exists(root / "etc/resolv.conf");
  if (shares_host_network || !only_loopback(config.text)) return config;
  const std::string upstream = read_if_exists(root / "run/systemd/resolve/resolv.conf");
  if (!upstream.empty() && !only_loopback(upstream)) {
    config.text = upstream;
    return config;
  }
  config.warning =
      "/etc/resolv.conf of the host names only loopback resolvers, which RUN cannot reach in its "
      "own network; use --network=host, or name a resolver that other hosts can reach";
  return config;
}

std::string hosts_file(std::string_view hostname,
                       const std::vector<std::string>& add_hosts,
                       std::string_view host_address) {
  // source: buildkit executor/oci/hosts.go
  std::string text =
      fmt::format("127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n", hostname);
  for (const std::string& entry : add_hosts) {
    const std::size_t colon = entry.find(':');
    const std::string name = entry.substr(0, colon);
    std::string address = colon == std::string::npos ? "" : entry.substr(colon + 1);
    if (address.starts_with('[') && address.ends_with(']'))
      address = address.substr(1, address.size() - 2);
    if (address == "host-gateway") address = host_address;
    if (!is_host_name(name) || !is_address(address)) {
      throw Error(Errc::invalid_input, "added host {}: write it as NAME:ADDRESS", entry);
    }
    text += fmt::format("{}\t{}\n", address, name);
  }
  return text;
}

}  // namespace kiln::sandbox
