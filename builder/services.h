// The long-lived state of a builder, opened once: store, runtime, registry client, pools.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proto/messages.h"
#include "registry-client/client.h"

namespace kiln {

/// [gc]: what the store may use of its disk; a zero is no limit.
struct GcLimits {
  std::uint64_t max_bytes = 0;       ///< [gc] max-bytes, the hard cap
  std::uint64_t min_free_bytes = 0;  ///< [gc] min-free as a size
  int min_free_percent = 0;          ///< [gc] min-free as a part of the file system
  std::chrono::seconds max_age{0};   ///< [gc] max-age of what is not used
};

/// [debug]: what is kept of steps that failed.
struct DebugLimits {
  std::chrono::seconds keep_for{3600};  ///< [debug] keep-seconds; 0 keeps nothing
  std::size_t keep_steps = 5;           ///< [debug] keep-steps: the last ones
};

struct BuilderConfig {
  std::filesystem::path root = "/var/lib/kiln";
  std::string runtime;              ///< [run] runtime; "" is the first that works
  std::string network = "default";  ///< [run] network
  int max_parallelism = 0;          ///< [run] max-parallelism: running steps; 0: see kilnd.toml
  std::vector<std::string> allow;   ///< entitlements a request may ask for
  registry::RegistryConfig registries;
  GcLimits gc;
  DebugLimits debug;
  /// Gets what the operator should know while the builder runs, a sentence each.
  std::function<void(const std::string&)> tell = [](const std::string&) {};
};

/// Everything below is reached through it; only builder/*.cc look inside.
class Services {
 public:
  struct Parts;

  /// Opens the store, finds a runtime, starts the pools. Throws Error.
  static boost::asio::awaitable<std::unique_ptr<Services>> open(boost::asio::io_context& io,
                                                                BuilderConfig config);
  ~Services();

  /// Waits for work that runs in the background; the last call before destruction, on the event
  /// loop.
  boost::asio::awaitable<void> close();

  /// Gives memory back that only speeds up what comes next: called when nothing has happened for a
  /// while.
  boost::asio::awaitable<void> rest();

  /// What opening found worth saying: repairs of the store, a missing runtime feature.
  [[nodiscard]] std::vector<std::string> notes() const;

  [[nodiscard]] Parts& parts() noexcept { return *parts_; }

 private:
  explicit Services(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

/// The "supervise" verb of the daemon's executable (sandbox/runtime.h), called first thing in main
/// with main's own arguments: argv[1] is "supervise". Returns the exit code to end with.
int supervise_main(int argc, char** argv);

}  // namespace kiln
