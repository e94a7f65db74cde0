// The long-lived state of a builder, opened once: store, runtime, registry client, pools.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "proto/messages.h"
#include "registry-client/client.h"

namespace kiln {

struct BuilderConfig {
  std::filesystem::path root = "/var/lib/kiln";
  std::string runtime;              ///< [run] runtime; "" is the first that works
  std::string network = "default";  ///< [run] network
  int max_parallelism = 0;          ///< [run] max-parallelism; 0: number of processors
  std::vector<std::string> allow;   ///< entitlements a request may ask for
  registry::RegistryConfig registries;
};

/// Everything below is reached through it; only builder/*.cc look inside.
class Services {
 public:
  struct Parts;

  /// Opens the store, finds a runtime, starts the pools. Throws Error.
  static boost::asio::awaitable<std::unique_ptr<Services>> open(boost::asio::io_context& io,
                                                                BuilderConfig config);
  ~Services();

  /// What opening found worth saying: repairs of the store, a missing runtime feature.
  [[nodiscard]] std::vector<std::string> notes() const;

  [[nodiscard]] Parts& parts() noexcept { return *parts_; }

 private:
  explicit Services(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace kiln
