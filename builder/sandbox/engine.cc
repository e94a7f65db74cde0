#include "builder/sandbox/engine.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <sstream>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

constexpr std::size_t kMaxProgramBytes = 256 * 1024 * 1024;

}  // namespace

std::vector<std::string> Engine::run_command_line(const std::filesystem::path& bundle,
                                                  const std::filesystem::path& log,
                                                  const std::string& id) const {
  return {program, "--root", state,      "--log", log, "--log-format",
          "json",  "run",    "--bundle", bundle,  id};
}

std::vector<std::string> Engine::detached_command_line(
    const std::filesystem::path& bundle,
    const std::filesystem::path& log,
    const std::string& id,
    const std::string& console,
    const std::filesystem::path& pid_file) const {
  return {program, "--root",     state,      "--log", log,        "--log-format",
          "json",  "run",        "--bundle", bundle,  "--detach", "--console-socket",
          console, "--pid-file", pid_file,   id};
}

os::Fd seal_program(const std::filesystem::path& program) {
  std::error_code error;
  if (std::filesystem::exists("/sys/fs/selinux/enforce", error)) return {};
  const std::string bytes = os::read_file(program, kMaxProgramBytes);
  if (!bytes.starts_with("\x7f"
                         "ELF"))
    return {};
  os::Fd image(::memfd_create(program.filename().c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!image) throw system_error(errno, "copy " + program.string() + " to memory");
  os::write_all(image.get(), as_bytes(bytes), program.string());
  // source: runc libcontainer/nsenter/cloned_binary.c, which crun shares: all four
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (::fcntl(image.get(), F_ADD_SEALS, seals) != 0)
    throw system_error(errno, "seal the copy of " + program.string());
  return image;
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
