#include "daemon/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <thread>

#include "daemon/config_reader.h"
#include "daemon/listener.h"
#include "proto/error.h"

namespace kiln::daemon {

namespace {

constexpr int kMaxCount = 4096;

void one_of(const std::string& value, std::initializer_list<std::string_view> words) {
  if (std::ranges::find(words, value) != words.end()) return;
  throw Error(Errc::invalid_input, "\"{}\" is not one of {}", value, fmt::join(words, ", "));
}

DiskAmount parse_amount(std::string_view text) {
  if (!text.ends_with('%')) return {parse_size(text), 0};
  int percent = -1;
  const char* end = text.data() + text.size() - 1;
  const auto [rest, error] = std::from_chars(text.data(), end, percent);
  if (error != std::errc() || rest != end || percent < 0 || percent > 99) {
    throw Error(Errc::invalid_input, "\"{}\" is not a percentage from 0% to 99%", text);
  }
  return {0, percent};
}

void read_registries(ConfigReader& reader, Config& config) {
  reader.read_each([&config](const std::string& host, ConfigReader& table) {
    registry::HostConfig& entry = config.registries[host];
    table.read("mirrors", entry.mirrors);
    table.read("http", entry.plain_http);
    table.read("insecure", entry.insecure);
    table.read("ca", entry.ca_files);
  });
}

void read_gc(ConfigReader& reader, Config& config) {
  std::string max_bytes;
  std::string min_free;
  reader.read_amount("max-bytes", max_bytes);
  reader.read_amount("min-free", min_free);
  reader.checked("max-bytes", [&] { config.gc.max_bytes = parse_size(max_bytes); });
  reader.checked("min-free", [&] { config.gc.min_free = parse_amount(min_free); });
  std::string max_age;
  reader.read_amount("max-age", max_age);
  reader.checked("max-age", [&] { config.gc.max_age = parse_age(max_age); });
}

void read_run(ConfigReader& reader, Config& config) {
  reader.read("runtime", config.run.runtime);
  reader.read("network", config.run.network);
  reader.checked("network", [&] { one_of(config.run.network, {"default", "host", "none"}); });
  reader.read("max-parallelism", config.run.max_parallelism, 0, kMaxCount);
  reader.read("max-builds", config.run.max_builds, 0, kMaxCount);
}

void read_debug(ConfigReader& reader, Config& config) {
  constexpr int kMaxKeepSeconds = 7 * 24 * 3600;
  reader.read("keep-seconds", config.debug.keep_seconds, 0, kMaxKeepSeconds);
  reader.read("keep-steps", config.debug.keep_steps, 0, kMaxCount);
}

void read_log(ConfigReader& reader, Config& config) {
  std::string level;
  reader.read("level", level);
  reader.checked("level", [&] { config.log.level = parse_log_level(level); });
}

void read_all(ConfigReader& reader, Config& config) {
  std::string root = config.root;
  reader.read("root", root);
  reader.checked("root", [&] {
    if (!root.starts_with('/')) throw Error(Errc::invalid_input, "must be an absolute path");
  });
  config.root = root;
  reader.read("listen", config.listen);
  reader.checked("listen", [&] {
    for (const std::string& address : config.listen)
      static_cast<void>(parse_listen_address(address));
  });
  reader.read("group", config.group);
  reader.read("allow", config.allow);
  reader.checked("allow", [&] {
    for (const std::string& name : config.allow)
      one_of(name, {"network.host", "security.insecure"});
  });
  reader.read("registry", [&](ConfigReader& table) { read_registries(table, config); });
  reader.read("gc", [&](ConfigReader& table) { read_gc(table, config); });
  reader.read("run", [&](ConfigReader& table) { read_run(table, config); });
  reader.read("debug", [&](ConfigReader& table) { read_debug(table, config); });
  reader.read("log", [&](ConfigReader& table) { read_log(table, config); });
  reader.finish();
}

}  // namespace

Config parse_config(std::string_view text, const std::string& file) {
  toml::table table;
  try {
    table = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    throw Error(Errc::invalid_input, "{}:{}: {}", file, error.source().begin.line,
                error.description());
  }
  Config config;
  ConfigReader reader(table, "", file, config.origins);
  read_all(reader, config);
  return config;
}

std::uint64_t parse_size(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::uint64_t bytes;
  };
  static constexpr std::array<Unit, 10> kUnits{{{"", 1},
                                                {"B", 1},
                                                {"KB", 1'000},
                                                {"MB", 1'000'000},
                                                {"GB", 1'000'000'000},
                                                {"TB", 1'000'000'000'000},
                                                {"KiB", 1ULL << 10U},
                                                {"MiB", 1ULL << 20U},
                                                {"GiB", 1ULL << 30U},
                                                {"TiB", 1ULL << 40U}}};
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string_view name(rest, static_cast<std::size_t>(end - rest));
  if (name.starts_with(' ')) name.remove_prefix(1);
  const auto* unit = std::ranges::find(kUnits, name, &Unit::name);
  if (error != std::errc() || unit == kUnits.end() ||
      number > std::numeric_limits<std::uint64_t>::max() / unit->bytes) {
    throw Error(Errc::invalid_input,
                "\"{}\" is not a size: a whole number with KB, MB, GB, TB, KiB, MiB, GiB or TiB",
                text);
  }
  return number * unit->bytes;
}

std::chrono::seconds parse_age(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::int64_t seconds;
  };
  static constexpr std::array<Unit, 5> kUnits{
      {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86'400}, {"w", 604'800}}};
  if (text.empty() || text == "0") return std::chrono::seconds{0};
  constexpr std::int64_t kMost = 100LL * 366 * 86'400;
  std::int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view name = text.substr(static_cast<std::size_t>(rest - text.data()));
  const auto* unit = std::ranges::find(kUnits, name, &Unit::name);
  if (error != std::errc() || number < 0 || unit == kUnits.end() ||
      number > kMost / unit->seconds) {
    throw Error(Errc::invalid_input,
                "\"{}\" is not an age: a whole number with s, m, h, d or w, such as \"14d\"", text);
  }
  return std::chrono::seconds{number * unit->seconds};
}

BuilderConfig builder_config(const Config& config) {
  BuilderConfig builder;
  builder.root = config.root;
  builder.runtime = config.run.runtime;
  builder.network = config.run.network;
  builder.max_parallelism = config.run.max_parallelism;
  builder.allow = config.allow;
  builder.registries = config.registries;
  builder.gc = {config.gc.max_bytes, config.gc.min_free.bytes, config.gc.min_free.percent,
                config.gc.max_age};
  builder.debug = {std::chrono::seconds(config.debug.keep_seconds),
                   static_cast<std::size_t>(config.debug.keep_steps)};
  builder.tell = [](const std::string& text) { Log().warn("{}", text); };
  return builder;
}

int max_builds(const Config& config) {
  if (config.run.max_builds > 0) return config.run.max_builds;
  return std::max(16, 4 * static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace kiln::daemon
