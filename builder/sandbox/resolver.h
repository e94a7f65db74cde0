// What a command sees as /etc/resolv.conf and /etc/hosts.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::sandbox {

struct ResolverConfig {
  std::string text;     ///< of resolv.conf
  std::string warning;  ///< "" or why names may not resolve
};

/// The host's resolver configuration for a command. A loopback resolver of the host cannot be
/// reached from another network namespace: then systemd-resolved's list of the real ones is taken
/// where it exists, else the host's is kept and the warning says so. Public resolvers are never put
/// in. `root` is where the host's files are ("/").
[[nodiscard]] ResolverConfig resolver_config(const std::filesystem::path& root,
                                             bool shares_host_network);

/// The hosts file. `add_hosts` are "name:address"; the address "host-gateway" becomes
/// `host_address`. Throws Error{invalid_input}.
[[nodiscard]] std::string hosts_file(std::string_view hostname,
                                     const std::vector<std::string>& add_hosts,
                                     std::string_view host_address);

}  // namespace kiln::sandbox
