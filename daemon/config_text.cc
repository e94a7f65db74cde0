// The configuration as text: the way back of config.cc.

#include "daemon/config.h"

namespace kiln::daemon {

namespace {

std::string toml_of(std::string_view text) {
  std::string result = "\"";
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      result += '\\';
      result += letter;
    } else if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\u{:04X}", byte);
    } else {
      result += letter;
    }
  }
  return result + '"';
}

std::string toml_of(const std::vector<std::string>& list) {
  std::string result;
  for (const std::string& item : list)
    result += (result.empty() ? "" : ", ") + toml_of(item);
  return "[" + result + "]";
}

/// Writes lines of one table, each with where its value came from.
struct Lines {
  const Config& config;
  std::string prefix;
  std::string text;

  void table(const std::string& name) {
    prefix = name + ".";
    text += "\n[" + name + "]\n";
  }
  void line(const std::string& key, const std::string& value) {
    const auto origin = config.origins.find(prefix + key);
    text += fmt::format("{} = {}  # {}\n", key, value,
                        origin == config.origins.end() ? "default" : origin->second);
  }
};

}  // namespace

std::string to_toml(const Config& config) {
  Lines lines{config, "", ""};
  lines.line("root", toml_of(config.root.string()));
  lines.line("listen", toml_of(config.listen));
  lines.line("group", toml_of(config.group));
  lines.line("allow", toml_of(config.allow));
  for (const auto& [host, entry] : config.registries) {
    lines.table("registry." + toml_of(host));
    lines.line("mirrors", toml_of(entry.mirrors));
    lines.line("http", entry.plain_http ? "true" : "false");
    lines.line("insecure", entry.insecure ? "true" : "false");
    lines.line("ca", toml_of(entry.ca_files));
  }
  lines.table("gc");
  lines.line("max-bytes", std::to_string(config.gc.max_bytes));
  const DiskAmount& free = config.gc.min_free;
  lines.line("min-free",
             free.percent > 0 ? fmt::format("\"{}%\"", free.percent) : std::to_string(free.bytes));
  lines.line("max-age", fmt::format("\"{}s\"", config.gc.max_age.count()));
  lines.table("run");
  lines.line("runtime", toml_of(config.run.runtime));
  lines.line("network", toml_of(config.run.network));
  lines.line("max-parallelism", std::to_string(config.run.max_parallelism));
  lines.line("max-builds", std::to_string(config.run.max_builds));
  lines.table("debug");
  lines.line("keep-seconds", std::to_string(config.debug.keep_seconds));
  lines.line("keep-steps", std::to_string(config.debug.keep_steps));
  lines.table("log");
  lines.line("level", toml_of(to_word(config.log.level)));
  return lines.text;
}

}  // namespace kiln::daemon
