// What the operator can choose. Read once at start (defaults < file < flags), then immutable.
//
// The file is /etc/kiln/kilnd.toml; packaging/kilnd.toml is a commented example. A key that isn't
// listed here is an error naming its line: a typing mistake must not be a silent default.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/services.h"
#include "daemon/log.h"

namespace kiln::daemon {

inline constexpr std::string_view kDefaultConfigFile = "/etc/kiln/kilnd.toml";

/// A part of a disk: so many bytes, or so many percent of the file system.
struct DiskAmount {
  std::uint64_t bytes = 0;
  int percent = 0;
  friend bool operator==(const DiskAmount&, const DiskAmount&) = default;
};

struct Config {
  /// root: the store; one process owns it.
  std::filesystem::path root = "/var/lib/kiln";
  /// listen: "unix:///PATH" each. Sockets from systemd take their place.
  std::vector<std::string> listen = {"unix:///run/kiln/kiln.sock"};
  /// group: may connect besides root. Its members can build, which is as good as root.
  std::string group = "kiln";
  /// allow: entitlements a request may ask for; "network.host".
  std::vector<std::string> allow;

  /// registry."HOST[:PORT]": mirrors, http, insecure, ca; as in buildkitd.toml.
  registry::RegistryConfig registries;

  struct Gc {
    /// gc.max-bytes: the hard cap of the store; 0 is none.
    std::uint64_t max_bytes = 100'000'000'000;
    /// gc.min-free: what stays free of the store's file system: a size, or "10%".
    DiskAmount min_free{.bytes = 0, .percent = 10};
    /// gc.max-age: cache that was not used for so long goes; zero is never.
    std::chrono::seconds max_age{0};
  } gc;

  struct Run {
    /// run.runtime: "crun", "runc" or a path; "" is the first that works.
    std::string runtime;
    /// run.network: what a build that asks for none gets: default, host or none.
    std::string network = "default";
    /// run.max-parallelism: steps at once; 0 is 4 for each processor, at least 8.
    int max_parallelism = 0;
    /// run.max-builds: builds at once, the others wait; 0 is four a processor, at least 16. A build
    /// that waits for steps of others costs little, but not nothing.
    int max_builds = 0;
  } run;

  struct Debug {
    /// debug.keep-seconds: how long `kiln debug` finds what a failed step left; 0: not at all.
    int keep_seconds = 3600;
    /// debug.keep-steps: of how many builds, the last ones.
    int keep_steps = 5;
  } debug;

  struct LogConfig {
    /// log.level: error, warn, info, debug or trace.
    LogLevel level = LogLevel::info;
  } log;

  /// Exit when nothing was connected for so long; zero: never. A flag only: it belongs to a daemon
  /// that a client started for itself.
  std::chrono::seconds idle_exit{0};

  /// Where each value that is no default came from: key → "FILE:LINE" or the flag.
  std::map<std::string, std::string> origins;
};

/// The file's values over the defaults. Throws Error{invalid_input} "FILE:LINE: key: …".
[[nodiscard]] Config parse_config(std::string_view toml, const std::string& file);

/// "100GB", "20GiB", "4096"; throws Error{invalid_input}. Decimal units are powers of 1000.
[[nodiscard]] std::uint64_t parse_size(std::string_view text);

/// "14d", "36h", "90m", "30s"; "" and "0" are zero. Throws Error{invalid_input}.
[[nodiscard]] std::chrono::seconds parse_age(std::string_view text);

/// The configuration in force as a TOML file, each line with its origin.
[[nodiscard]] std::string to_toml(const Config& config);

/// What the builder gets of it.
[[nodiscard]] BuilderConfig builder_config(const Config& config);

/// run.max_builds with 0 worked out.
[[nodiscard]] int max_builds(const Config& config);

}  // namespace kiln::daemon
