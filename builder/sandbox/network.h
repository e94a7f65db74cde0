// Network namespaces for steps.
//
// A namespace on the bridge costs two plugin calls (some 10 ms to make, 50 ms to take away), a step
// may cost 20 ms: one that a step leaves as it was is kept for the next.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "builder/sandbox/bundle.h"
#include "builder/sandbox/spec.h"

namespace kiln::sandbox {

struct NetworksConfig {
  std::filesystem::path directory;  ///< one file for each namespace; survives a crash
  std::filesystem::path plugins;
  std::string id_prefix;                 ///< of container ids, unique on the host
  Network standard = Network::standard;  ///< what Network::standard means; itself: the bridge
};

/// Thread: the event loop's.
class Networks {
 public:
  Networks(NetworksConfig config, boost::asio::thread_pool& pool);
  Networks(const Networks&) = delete;
  Networks& operator=(const Networks&) = delete;

  /// Gives the namespace back when destroyed.
  class Lease {
   public:
    Lease() = default;
    explicit Lease(NetworkPlace place) : place_(std::move(place)) {}
    Lease(Networks& owner, std::string id, NetworkPlace place, bool reusable)
        : owner_(&owner), id_(std::move(id)), place_(std::move(place)), reusable_(reusable) {}
    Lease(Lease&& other) noexcept { *this = std::move(other); }
    Lease& operator=(Lease&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(id_, other.id_);
      std::swap(place_, other.place_);
      std::swap(reusable_, other.reusable_);
      return *this;
    }
    ~Lease();

    [[nodiscard]] const NetworkPlace& place() const noexcept { return place_; }

   private:
    Networks* owner_ = nullptr;
    std::string id_;
    NetworkPlace place_;
    bool reusable_ = false;
  };

  /// Takes away what an earlier process left, and looks what this host can do. Call once.
  boost::asio::awaitable<void> open();
  /// A privileged step may change its network: its namespace is not used again. Throws Error when
  /// the bridge worked before and does not now; when it never did, the host's network is used and
  /// warnings() says why.
  boost::asio::awaitable<Lease> lease(Network network, bool privileged);
  /// Takes away the namespaces that nobody needs any more; all that are not in use when `all`. What
  /// fails becomes a warning.
  boost::asio::awaitable<void> trim(bool all);

  /// The host as a step sees it: the bridge's address, or loopback in the host's own network.
  [[nodiscard]] static std::string host_address(const NetworkPlace& place);
  /// Whether the default network is the host's.
  [[nodiscard]] bool standard_is_host() const noexcept { return standard_ == Network::host; }
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  boost::asio::awaitable<Lease> lease_bridge(bool privileged);
  boost::asio::awaitable<void> make(std::string id);
  boost::asio::awaitable<void> take_away(std::string id, bool has_namespace);
  void use_host(std::string reason);
  [[nodiscard]] std::filesystem::path path_of(const std::string& id) const;

  NetworksConfig config_;
  boost::asio::thread_pool& pool_;
  Network standard_;
  std::filesystem::path iptables_;
  bool bridge_works_ = false;  ///< it did once
  std::uint64_t next_id_ = 0;
  std::vector<std::string> idle_;
  std::vector<std::string> condemned_;
  std::vector<std::string> warnings_;
};

}  // namespace kiln::sandbox
