#include "builder/sandbox/engine.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <sstream>

namespace kiln::sandbox {

std::vector<std::string> Engine::run_command_line(const std::filesystem::path& bundle,
                                                  const std::filesystem::path& log,
                                                  const std::string& id) const {
  return {program, "--root", state,      "--log", log, "--log-format",
          "json",  "run",    "--bundle", bundle,  id};
}

std::string parse_version(std::string_view output) {
  // source: "crun version 1.8.1", "runc version 1.1.5+ds1", the first line of both
  std::istringstream line(std::string(output.substr(0, output.find('\n'))));
  std::string name;
  std::string word;
  std::string version;
  line >> name >> word >> version;
  return word == "version" ? name + " " + version : name;
}

std::optional<std::string> logged_failure(std::string_view log) {
  std::optional<std::string> failure;
  std::istringstream lines{std::string(log)};
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line, nullptr, false);
    if (!entry.is_object() || entry.value("level", "") != "error") continue;
    std::string text = entry.value("msg", "");
    for (const std::string_view noise : {"runc run failed: ", "unable to start container process: ",
                                         "error during container init: "}) {
      if (text.starts_with(noise)) text.erase(0, noise.size());
    }
    failure = failure ? *failure + "; " + text : text;
  }
  return failure;
}

std::optional<int> command_fault(std::string_view failure) {
  // source: crun src/libcrun/utils.c find_executable and container.c "exec container process";
  // runc libcontainer/standard_init_linux.go, os/exec LookPath: `exec: "name": why`
  const auto has = [&](std::string_view text) { return failure.contains(text); };
  const bool names_executable =
      failure.starts_with("exec: \"") || failure.starts_with("executable file `") ||
      failure.starts_with("open executable") || failure.starts_with("exec container process") ||
      failure.starts_with("exec /");
  if (!names_executable) return std::nullopt;
  if (has("not found") || has("no such file") || has("No such file")) return 127;
  return 126;
}

}  // namespace kiln::sandbox
