#include "daemon/command_line.h"

#include <CLI/CLI.hpp>

#include "builder/os/file.h"
#include "daemon/listener.h"
#include "proto/error.h"

namespace kiln::daemon {

namespace {

constexpr std::size_t kMaxConfigBytes = 1024 * 1024;
constexpr int kMisused = 2;

struct Flags {
  std::string config_file;
  std::string root;
  std::vector<std::string> listen;
  std::string log_level;
  std::int64_t idle_exit_seconds = 0;
  bool show_config = false;
};

void define(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", "kilnd " + version());
  app.add_option("--config", flags.config_file,
                 fmt::format("Configuration file [{} if it exists]", kDefaultConfigFile))
      ->option_text("FILE");
  app.add_option("--root", flags.root, "Directory of the store")->option_text("DIR");
  app.add_option("--listen", flags.listen, "Address to listen on; may be repeated")
      ->option_text("unix:///PATH")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--log-level", flags.log_level, "error, warn, info, debug or trace")
      ->option_text("LEVEL");
  app.add_option("--idle-exit", flags.idle_exit_seconds,
                 "Exit when no client was connected for so long; 0 is never")
      ->option_text("SECONDS")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{365} * 24 * 3600));
  app.add_flag("--show-config", flags.show_config, "Print the configuration in force and exit");
}

Config read_file(const Flags& flags) {
  const bool named = !flags.config_file.empty();
  const std::string file = named ? flags.config_file : std::string(kDefaultConfigFile);
  std::string text;
  try {
    text = os::read_file(file, kMaxConfigBytes);
  } catch (const Error& error) {
    if (!named && error.code() == Errc::not_found) return {};
    throw;
  }
  return parse_config(text, file);
}

Config apply(const Flags& flags, Config config) {
  if (!flags.root.empty()) {
    config.root = std::filesystem::absolute(flags.root).lexically_normal();
    config.origins["root"] = "--root";
  }
  if (!flags.listen.empty()) {
    for (const std::string& address : flags.listen)
      static_cast<void>(parse_listen_address(address));
    config.listen = flags.listen;
    config.origins["listen"] = "--listen";
  }
  if (!flags.log_level.empty()) {
    config.log.level = parse_log_level(flags.log_level);
    config.origins["log.level"] = "--log-level";
  }
  config.idle_exit = std::chrono::seconds{flags.idle_exit_seconds};
  return config;
}

}  // namespace

ParsedCommandLine parse_command_line(int argc, const char* const* argv) {
  CLI::App app("Builds OCI images for kiln clients.", "kilnd");
  Flags flags;
  define(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {app.exit(error) == 0 ? 0 : kMisused, {}};
  }
  return {std::nullopt, {apply(flags, read_file(flags)), flags.show_config}};
}

std::string version() {
  return KILN_VERSION;
}

}  // namespace kiln::daemon
