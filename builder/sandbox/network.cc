#include "builder/sandbox/network.h"

#include <unistd.h>

#include <algorithm>

#include "builder/os/file.h"
#include "builder/os/offload.h"
#include "builder/sandbox/cni.h"
#include "builder/sandbox/contains.h"
#include "builder/sandbox/netns.h"
#include "builder/sandbox/programs.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace asio = boost::asio;

namespace {

/// More than steps usually run side by side; what is over is taken away at once.
constexpr std::size_t kMaxIdle = 8;

}  // namespace

Networks::Lease::~Lease() {
  if (!owner_) return;
  (reusable_ ? owner_->idle_ : owner_->condemned_).push_back(std::move(id_));
}

Networks::Networks(NetworksConfig config, asio::thread_pool& pool)
    : config_(std::move(config)), pool_(pool), standard_(config_.standard) {}

std::filesystem::path Networks::path_of(const std::string& id) const {
  return config_.directory / id;
}

void Networks::use_host(std::string reason) {
  standard_ = Network::host;
  warnings_.push_back("RUN uses the host's network: " + std::move(reason));
}

asio::awaitable<void> Networks::open() {
  std::filesystem::create_directories(config_.directory);
  std::vector<std::string> left_over;
  for (const auto& entry : std::filesystem::directory_iterator(config_.directory))
    left_over.push_back(entry.path().filename());
  for (const std::string& id : left_over) {
    std::string failure;
    try {
      drop_network_namespace(path_of(id));
      co_await take_away(id, false);
    } catch (const Error& error) {
      failure = error.what();
    }
    if (!failure.empty()) warnings_.push_back("left-over network " + id + ": " + failure);
  }
  if (standard_ != Network::standard) co_return;
  for (const char* plugin : {"bridge", "host-local"}) {
    if (::access((config_.plugins / plugin).c_str(), X_OK) == 0) continue;
    use_host(fmt::format("there is no CNI plugin {} in {}; install containernetworking-plugins",
                         plugin, config_.plugins.string()));
    co_return;
  }
  const auto iptables = find_program("iptables");
  if (iptables) {
    iptables_ = *iptables;
  } else {
    use_host("there is no iptables program; install iptables");
  }
}

asio::awaitable<Networks::Lease> Networks::lease(Network network, bool privileged) {
  const Network wanted = network == Network::standard ? standard_ : network;
  if (wanted == Network::standard) co_return co_await lease_bridge(privileged);
  co_return Lease(NetworkPlace{wanted == Network::host, {}});
}

asio::awaitable<Networks::Lease> Networks::lease_bridge(bool privileged) {
  std::string id;
  if (!idle_.empty()) {
    id = std::move(idle_.back());
    idle_.pop_back();
  } else {
    id = fmt::format("{}-{}", config_.id_prefix, next_id_++);
    std::string failure;
    try {
      co_await make(id);
      bridge_works_ = true;
    } catch (const Error& error) {
      condemned_.push_back(id);
      if (bridge_works_) throw;
      failure = error.what();
    }
    if (!failure.empty()) {
      if (standard_ != Network::host) use_host(failure);
      co_return Lease(NetworkPlace{true, {}});
    }
  }
  NetworkPlace place{false, path_of(id)};
  co_return Lease(*this, std::move(id), std::move(place), !privileged);
}

asio::awaitable<void> Networks::make(std::string id) {
  const auto path = path_of(id);
  co_await os::offload(pool_, [&path] {
    // The file is the record that there is something to take away, so it comes first.
    os::write_file(path, "");
    make_network_namespace(path);
  });
  if (!bridge_works_) co_await allow_forwarding(iptables_);
  co_await cni_add({config_.plugins, id, path});
}

asio::awaitable<void> Networks::take_away(std::string id, bool has_namespace) {
  const auto path = path_of(id);
  const bool has_plugin = ::access((config_.plugins / "bridge").c_str(), X_OK) == 0;
  if (has_plugin)
    co_await cni_delete({config_.plugins, id, has_namespace ? path : std::filesystem::path()});
  // Two system calls, made here: the daemon's end comes this way too, when its pool is gone.
  drop_network_namespace(path);
  os::remove_tree(path);
}

asio::awaitable<void> Networks::trim(bool all) {
  while (idle_.size() > (all ? 0 : kMaxIdle)) {
    condemned_.push_back(std::move(idle_.back()));
    idle_.pop_back();
  }
  while (!condemned_.empty()) {
    std::string id = std::move(condemned_.back());
    condemned_.pop_back();
    std::string failure;
    try {
      co_await take_away(std::move(id), true);
    } catch (const Error& error) {
      failure = error.what();
    }
    // The step is over and well; its record stays for the next start.
    if (!failure.empty() && !contains(warnings_, failure)) warnings_.push_back(std::move(failure));
  }
}

std::string Networks::host_address(const NetworkPlace& place) {
  return place.namespace_path.empty() ? "127.0.0.1" : kBridgeAddress;
}

}  // namespace kiln::sandbox
