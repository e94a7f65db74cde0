// Network plugins of the Container Network Interface, called as it says.
// source: containernetworking/cni SPEC.md 1.0.0, section 2 "Execution Protocol"
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <string>

namespace kiln::sandbox {

/// One attachment of a network namespace to our bridge.
struct CniAttachment {
  std::filesystem::path plugins;         ///< directory of the plugins
  std::string container_id;              ///< unique on the host
  std::filesystem::path namespace_path;  ///< "" for DEL when it is gone
};

inline constexpr const char* kBridgeName = "kiln0";
/// Not Docker's, podman's or BuildKit's, so that they get along on one host.
inline constexpr const char* kBridgeSubnet = "10.213.0.0/16";
/// What the bridge itself has: the host, seen from a step.
inline constexpr const char* kBridgeAddress = "10.213.0.1";

/// Connects the namespace to the bridge with an address of its own. Throws Error{unavailable} with
/// the plugin's words.
boost::asio::awaitable<void> cni_add(CniAttachment attachment);
/// Takes the address and the interface back; without either it does nothing. Throws like cni_add.
boost::asio::awaitable<void> cni_delete(CniAttachment attachment);

/// Lets the bridge's network be forwarded and masqueraded: three rules for all steps together
/// instead of some for each, so that none is left over when the daemon dies. Idempotent.
boost::asio::awaitable<void> allow_forwarding(std::filesystem::path iptables);

}  // namespace kiln::sandbox
