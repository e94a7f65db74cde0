#include "builder/sandbox/seccomp_filter.h"

#include <seccomp.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "builder/os/fd.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxProgramBytes = 1024 * 1024;
constexpr std::size_t kMaxArguments = 6;

struct Release {
  void operator()(void* filter) const noexcept { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

/// Not everything can be said in a program; the runtime has to do it then.
struct Inexpressible {};

template <class Number>
struct Named {
  std::string_view name;
  Number number;
};

template <class Table>
auto number_of(const Table& table, const std::string& name) {
  const auto* const found =
      std::ranges::find(table, name, [](const auto& row) { return row.name; });
  if (found == std::end(table)) throw Inexpressible();
  return found->number;
}

std::uint32_t action_of(const std::string& name, std::uint32_t error) {
  const std::array<Named<std::uint32_t>, 8> actions = {{
      {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
      {"SCMP_ACT_LOG", SCMP_ACT_LOG},
      {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(error)},
      {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(error)},
      {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
      {"SCMP_ACT_KILL", SCMP_ACT_KILL},
      {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
      {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
  }};
  return number_of(actions, name);
}

scmp_compare comparison_of(const std::string& name) {
  const std::array<Named<scmp_compare>, 7> comparisons = {{
      {"SCMP_CMP_NE", SCMP_CMP_NE},
      {"SCMP_CMP_LT", SCMP_CMP_LT},
      {"SCMP_CMP_LE", SCMP_CMP_LE},
      {"SCMP_CMP_EQ", SCMP_CMP_EQ},
      {"SCMP_CMP_GE", SCMP_CMP_GE},
      {"SCMP_CMP_GT", SCMP_CMP_GT},
      {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
  }};
  return number_of(comparisons, name);
}

void must(int result, const std::string& what) {
  if (result < 0) throw system_error(-result, "seccomp profile: " + what);
}

std::vector<scmp_arg_cmp> arguments_of(const json& rule) {
  std::vector<scmp_arg_cmp> arguments;
  for (const json& argument : rule.value("args", json::array())) {
    const auto index = argument.at("index").get<unsigned>();
    if (index >= kMaxArguments)
      throw Error(Errc::invalid_input, "seccomp profile: index {}", index);
    arguments.push_back({index, comparison_of(argument.at("op")),
                         argument.at("value").get<std::uint64_t>(),
                         argument.value("valueTwo", std::uint64_t{0})});
  }
  return arguments;
}

/// Comparisons of different arguments must all hold; of several of one argument any may.
bool has_alternatives(std::vector<scmp_arg_cmp> arguments) {
  std::ranges::sort(arguments, {}, &scmp_arg_cmp::arg);
  return std::ranges::adjacent_find(arguments, {}, &scmp_arg_cmp::arg) != arguments.end();
}

void add_rule(void* filter, const json& rule, std::uint32_t default_action) {
  const std::uint32_t action =
      action_of(rule.at("action"), rule.value("errnoRet", std::uint32_t{EPERM}));
  if (action == default_action) return;
  const std::vector<scmp_arg_cmp> arguments = arguments_of(rule);
  for (const std::string name : rule.at("names")) {
    const int number = ::seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) continue;  // newer than the library: the default applies
    if (!has_alternatives(arguments)) {
      must(::seccomp_rule_add_array(filter, action, number, static_cast<unsigned>(arguments.size()),
                                    arguments.data()),
           name);
      continue;
    }
    for (const scmp_arg_cmp& argument : arguments)
      must(::seccomp_rule_add_array(filter, action, number, 1, &argument), name);
  }
}

Filter make_filter(const json& profile) {
  const std::uint32_t default_action = action_of(
      profile.at("defaultAction"), profile.value("defaultErrnoRet", std::uint32_t{EPERM}));
  Filter filter(::seccomp_init(default_action));
  if (!filter)
    throw Error(Errc::internal, "seccomp profile: the library refuses its default action");
  for (std::string name : profile.value("architectures", json::array())) {
    if (name.starts_with("SCMP_ARCH_")) name.erase(0, std::string_view("SCMP_ARCH_").size());
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    const std::uint32_t architecture = ::seccomp_arch_resolve_name(name.c_str());
    if (architecture == 0) throw Inexpressible();
    if (const int result = ::seccomp_arch_add(filter.get(), architecture); result != -EEXIST)
      must(result, name);
  }
  for (const json& rule : profile.value("syscalls", json::array()))
    add_rule(filter.get(), rule, default_action);
  return filter;
}

std::string program_of(void* filter) {
  const os::Fd memory(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!memory) throw system_error(errno, "make memory for the seccomp filter");
  must(::seccomp_export_bpf(filter, memory.get()), "export");
  return os::read_file("/proc/self/fd/" + std::to_string(memory.get()), kMaxProgramBytes);
}

}  // namespace

std::optional<std::string> compile_seccomp(std::string_view linux_seccomp) {
  try {
    return program_of(make_filter(json::parse(linux_seccomp)).get());
  } catch (const Inexpressible&) {
    return std::nullopt;
  } catch (const json::exception& error) {
    throw Error(Errc::invalid_input, "seccomp profile: {}", error.what());
  }
}

}  // namespace kiln::sandbox
