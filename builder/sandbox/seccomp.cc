#include "builder/sandbox/seccomp.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "builder/sandbox/contains.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

using nlohmann::json;

struct Architecture {
  std::string_view machine;  // uname -m
  std::string_view go;
  std::string_view seccomp;
};

constexpr std::array<Architecture, 8> kArchitectures = {{
    {"x86_64", "amd64", "SCMP_ARCH_X86_64"},
    {"i686", "386", "SCMP_ARCH_X86"},
    {"aarch64", "arm64", "SCMP_ARCH_AARCH64"},
    {"armv7l", "arm", "SCMP_ARCH_ARM"},
    {"ppc64le", "ppc64le", "SCMP_ARCH_PPC64LE"},
    {"riscv64", "riscv64", "SCMP_ARCH_RISCV64"},
    {"s390x", "s390x", "SCMP_ARCH_S390X"},
    {"loongarch64", "loong64", "SCMP_ARCH_LOONGARCH64"},
}};

std::string_view seccomp_name(std::string_view go) {
  const auto* const found = std::ranges::find(kArchitectures, go, &Architecture::go);
  return found == kArchitectures.end() ? std::string_view() : found->seccomp;
}

/// Absent, null and empty lists are the same in these profiles.
std::vector<std::string> strings(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  return found->get<std::vector<std::string>>();
}

bool kernel_at_least(const std::string& wanted, const SeccompTarget& target) {
  int major = 0;
  int minor = 0;
  // NOLINTNEXTLINE(cert-err34-c): a count below two is the error.
  if (std::sscanf(wanted.c_str(), "%d.%d", &major, &minor) != 2) {
    throw Error(Errc::invalid_input, "seccomp profile: minKernel {}: not a version", wanted);
  }
  return std::pair(target.kernel_major, target.kernel_minor) >= std::pair(major, minor);
}

/// Whether a rule applies: all of `includes` hold and none of `excludes` does.
bool applies(const json& rule, const SeccompTarget& target) {
  const auto has = [&](const std::string& name) { return contains(target.capabilities, name); };
  if (const auto found = rule.find("excludes"); found != rule.end() && found->is_object()) {
    if (contains(strings(*found, "arches"), target.architecture)) return false;
    if (std::ranges::any_of(strings(*found, "caps"), has)) return false;
    const std::string kernel = found->value("minKernel", "");
    if (!kernel.empty() && kernel_at_least(kernel, target)) return false;
  }
  if (const auto found = rule.find("includes"); found != rule.end() && found->is_object()) {
    const auto arches = strings(*found, "arches");
    if (!arches.empty() && !contains(arches, target.architecture)) return false;
    if (!std::ranges::all_of(strings(*found, "caps"), has)) return false;
    const std::string kernel = found->value("minKernel", "");
    if (!kernel.empty() && !kernel_at_least(kernel, target)) return false;
  }
  return true;
}

json translate_rule(const json& rule) {
  json result = {{"names", strings(rule, "names")}, {"action", rule.at("action")}};
  if (const std::string name = rule.value("name", ""); !name.empty())
    result["names"].push_back(name);
  if (const auto number = rule.find("errnoRet"); number != rule.end() && number->is_number())
    result["errnoRet"] = *number;
  if (const auto args = rule.find("args"); args != rule.end() && args->is_array() && !args->empty())
    result["args"] = *args;
  return result;
}

json architectures(const json& profile, const SeccompTarget& target) {
  json result = json::array();
  if (const auto fixed = strings(profile, "architectures"); !fixed.empty()) return json(fixed);
  const auto map = profile.find("archMap");
  if (map == profile.end() || !map->is_array()) return result;
  for (const json& entry : *map) {
    if (entry.value("architecture", "") != seccomp_name(target.architecture)) continue;
    result.push_back(entry.at("architecture"));
    for (const std::string& name : strings(entry, "subArchitectures"))
      result.push_back(name);
    break;
  }
  return result;
}

json translate(const json& profile, const SeccompTarget& target) {
  json result = {{"defaultAction", profile.at("defaultAction")},
                 {"architectures", architectures(profile, target)}};
  if (const auto number = profile.find("defaultErrnoRet");
      number != profile.end() && number->is_number()) {
    result["defaultErrnoRet"] = *number;
  }
  if (const auto flags = strings(profile, "flags"); !flags.empty()) result["flags"] = flags;
  json rules = json::array();
  for (const json& rule : profile.at("syscalls")) {
    if (applies(rule, target)) rules.push_back(translate_rule(rule));
  }
  result["syscalls"] = std::move(rules);
  return result;
}

}  // namespace

SeccompTarget local_seccomp_target(std::vector<std::string> capabilities) {
  utsname name{};
  if (::uname(&name) != 0) throw system_error(errno, "uname");
  SeccompTarget target;
  const auto* const found =
      std::ranges::find(kArchitectures, std::string_view(name.machine), &Architecture::machine);
  target.architecture = found == kArchitectures.end() ? name.machine : std::string(found->go);
  target.capabilities = std::move(capabilities);
  // NOLINTNEXTLINE(cert-err34-c): a release that is no version leaves 0.0, the oldest.
  std::sscanf(name.release, "%d.%d", &target.kernel_major, &target.kernel_minor);
  return target;
}

std::string translate_seccomp(std::string_view profile, const SeccompTarget& target) {
  try {
    return translate(json::parse(profile), target).dump();
  } catch (const json::exception& error) {
    throw Error(Errc::invalid_input, "seccomp profile: {}", error.what());
  }
}

std::optional<std::filesystem::path> find_seccomp_profile() {
  // source: containers-common, pkg/seccomp: the override in /etc goes first.
  for (const char* path : {"/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json"}) {
    std::error_code error;
    if (std::filesystem::exists(path, error)) return path;
  }
  return std::nullopt;
}

}  // namespace kiln::sandbox
