#include "builder/sandbox/bundle.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "builder/os/dir.h"
#include "builder/sandbox/capabilities.h"
#include "builder/sandbox/contains.h"
#include "builder/sandbox/secret_files.h"
#include "proto/base64.h"
#include "proto/error.h"

namespace kiln::sandbox {

using nlohmann::json;

struct BundleFormat::Impl {
  BundleOptions options;
  json seccomp;                   // null: no filter
  std::string seccomp_program{};  // in base64; "": the runtime compiles it
};

namespace {

/// source: buildkit util/system/path.go DefaultPathEnvUnix
constexpr const char* kDefaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// source: moby daemon/pkg/oci/defaults.go
constexpr std::array kMaskedPaths = {
    "/proc/asound",     "/proc/acpi",        "/proc/interrupts",
    "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
    "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
constexpr std::array kReadonlyPaths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                       "/proc/sysrq-trigger"};

/// source: runtime-spec config.md "rlimits"; docker's --ulimit has the names in lower case
constexpr std::array<std::string_view, 16> kUlimits = {
    "as",   "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue",
    "nice", "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};

json mount(std::string_view target,
           std::string_view type,
           std::string_view source,
           std::vector<std::string> options) {
  return {{"destination", target}, {"type", type}, {"source", source}, {"options", options}};
}

json bind_mount(const std::filesystem::path& source, std::string_view target, bool writable) {
  return mount(target, "bind", source.native(), {"rbind", "nodev", writable ? "rw" : "ro"});
}

json standard_mounts(const RunSpec& spec) {
  const char* const access = spec.insecure ? "rw" : "ro";
  return json::array({
      mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      mount(
          "/dev/shm", "tmpfs", "shm",
          {"nosuid", "noexec", "nodev", "mode=1777", fmt::format("size={}", spec.shm_size_bytes)}),
      mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}),
      mount("/sys/fs/cgroup", "cgroup", "cgroup",
            {"nosuid", "noexec", "nodev", "relatime", access}),
  });
}

const std::string& target_of(const Mount& mount) {
  return std::visit([](const auto& one) -> const std::string& { return one.target; }, mount);
}

/// A mount below another one comes after it.
std::vector<const Mount*> in_order(const std::vector<Mount>& mounts) {
  std::multimap<std::size_t, const Mount*> by_depth;
  for (const Mount& one : mounts)
    by_depth.emplace(os::split_path(target_of(one)).size(), &one);
  std::vector<const Mount*> result;
  for (const auto& [depth, one] : by_depth)
    result.push_back(one);
  return result;
}

/// source: BuildKit solver/llbsolver/mounts/secretmount_unix.go
json secret_mount(const SecretMount& secret, const std::filesystem::path& file) {
  std::vector<std::string> options = {"rbind", "ro", "nodev", "nosuid"};
  if ((secret.mode & 0111) == 0) options.emplace_back("noexec");
  return mount(absolute_path(secret.target), "bind", file.native(), options);
}

json user_mount(const Mount& one, const std::filesystem::path& file_if_secret) {
  if (const auto* secret = std::get_if<SecretMount>(&one))
    return secret_mount(*secret, file_if_secret);
  if (const auto* binding = std::get_if<BindMount>(&one))
    return bind_mount(binding->source, absolute_path(binding->target), binding->writable);
  const auto& tmpfs = std::get<TmpfsMount>(one);
  std::vector<std::string> options = {"nosuid", "nodev", "mode=1777"};
  if (tmpfs.read_only) options.emplace_back("ro");
  if (tmpfs.size_bytes != 0) options.push_back(fmt::format("size={}", tmpfs.size_bytes));
  return mount(absolute_path(tmpfs.target), "tmpfs", "tmpfs", options);
}

json all_mounts(const RunSpec& spec, const BundlePlaces& places) {
  json mounts = standard_mounts(spec);
  // Writable, so that a command may edit them; the files are the step's own and go with it.
  mounts.push_back(bind_mount(places.resolv_conf, "/etc/resolv.conf", true));
  mounts.push_back(bind_mount(places.hosts, "/etc/hosts", true));
  for (const Mount* one : in_order(spec.mounts)) {
    const auto index = static_cast<std::size_t>(one - spec.mounts.data());
    mounts.push_back(user_mount(*one, secret_file(places.secrets, index)));
  }
  return mounts;
}

json capabilities(const RunSpec& spec, const BundlePlaces& places, std::uint64_t allowed) {
  const auto names = spec.insecure ? all_capabilities(allowed) : default_capabilities(allowed);
  json result = {{"bounding", names}};
  // What execve would leave to another user is nothing. source: moby oci.SetCapabilities
  if (places.user.uid == 0 || spec.insecure) {
    result["effective"] = names;
    result["permitted"] = names;
  }
  return result;
}

json rlimits(const std::vector<Ulimit>& ulimits) {
  json result = json::array();
  for (const Ulimit& limit : ulimits) {
    if (!contains(kUlimits, limit.name)) {
      throw Error(Errc::invalid_input, "ulimit {}: unknown; one of: {}", limit.name,
                  fmt::join(kUlimits, ", "));
    }
    std::string name = "RLIMIT_";
    for (const char c : limit.name)
      name += static_cast<char>(c - 'a' + 'A');
    result.push_back({{"type", name}, {"soft", limit.soft}, {"hard", limit.hard}});
  }
  return result;
}

bool has_variable(const std::vector<std::string>& env, std::string_view prefix) {
  return std::ranges::any_of(env, [&](const std::string& one) { return one.starts_with(prefix); });
}

std::vector<std::string> environment(const RunSpec& spec, const std::string& nonce) {
  std::vector<std::string> env = spec.env;
  for (std::size_t i = 0; i < spec.secret_env.size(); ++i) {
    const std::string prefix = spec.secret_env[i].name + "=";
    std::erase_if(env, [&](const std::string& one) { return one.starts_with(prefix); });
    env.push_back(prefix + placeholder(nonce, i));
  }
  return env;
}

json process(const RunSpec& spec, const BundlePlaces& places, const BundleOptions& options) {
  std::vector<std::string> env = environment(spec, places.secret_nonce);
  // Docker names the primary group too: one that is given up by setgroups could not be regained.
  std::vector<std::uint32_t> groups = {places.user.gid};
  groups.insert(groups.end(), places.user.groups.begin(), places.user.groups.end());
  if (!has_variable(env, "PATH=")) env.emplace_back(kDefaultPath);
  if (!has_variable(env, "HOME=")) env.push_back("HOME=" + places.user.home);
  json result = {
      {"terminal", false},
      {"user", {{"uid", places.user.uid}, {"gid", places.user.gid}, {"additionalGids", groups}}},
      {"args", spec.args},
      {"env", env},
      {"cwd", absolute_path(spec.working_dir)},
      {"capabilities", capabilities(spec, places, options.capabilities)},
      {"rlimits", rlimits(spec.ulimits)},
      {"noNewPrivileges", false},
      {"oomScoreAdj", options.oom_score_adj}};
  if (spec.attachment && spec.attachment->terminal) {
    result["terminal"] = true;
    if (spec.attachment->columns > 0 && spec.attachment->rows > 0)
      result["consoleSize"] = {{"width", spec.attachment->columns},
                               {"height", spec.attachment->rows}};
  }
  return result;
}

json namespaces(const NetworkPlace& network) {
  json result = json::array({{{"type", "pid"}},
                             {{"type", "ipc"}},
                             {{"type", "uts"}},
                             {{"type", "mount"}},
                             {{"type", "cgroup"}}});
  if (network.shares_host) return result;
  json own = {{"type", "network"}};
  if (!network.namespace_path.empty()) own["path"] = network.namespace_path.native();
  result.push_back(std::move(own));
  return result;
}

json linux_part(const RunSpec& spec,
                const BundlePlaces& places,
                const BundleOptions& options,
                const json& seccomp) {
  json result = {{"cgroupsPath", places.cgroups_path},
                 {"namespaces", namespaces(places.network)},
                 {"resources", json::object()}};
  if (spec.insecure) {
    if (options.runtime_filters_devices)
      result["resources"]["devices"] = json::array({{{"allow", true}, {"access", "rwm"}}});
    return result;
  }
  result["maskedPaths"] = kMaskedPaths;
  result["readonlyPaths"] = kReadonlyPaths;
  if (!seccomp.is_null()) result["seccomp"] = seccomp;
  return result;
}

bool is_below(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

}  // namespace

std::string absolute_path(std::string_view path) {
  std::vector<std::string> parts;
  for (std::string& part : os::split_path(path)) {
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  std::string result;
  for (const std::string& part : parts)
    result += "/" + part;
  return result.empty() ? "/" : result;
}

BundleFormat::BundleFormat(BundleOptions options)
    : impl_(std::make_unique<Impl>(std::move(options), json())) {
  if (!impl_->options.seccomp) return;
  if (impl_->options.seccomp_program)
    impl_->seccomp_program = base64_encode(*impl_->options.seccomp_program);
  impl_->seccomp = json::parse(*impl_->options.seccomp, nullptr, false);
  if (impl_->seccomp.is_discarded())
    throw Error(Errc::invalid_input, "the translated seccomp profile is not JSON");
}
BundleFormat::BundleFormat(BundleFormat&&) noexcept = default;
BundleFormat& BundleFormat::operator=(BundleFormat&&) noexcept = default;
BundleFormat::~BundleFormat() = default;

std::string BundleFormat::config(const RunSpec& spec, const BundlePlaces& places) const {
  json config = {{"ociVersion", "1.0.2"},
                 {"process", process(spec, places, impl_->options)},
                 {"root", {{"path", spec.rootfs.native()}, {"readonly", false}}},
                 {"hostname", spec.hostname},
                 {"mounts", all_mounts(spec, places)},
                 {"linux", linux_part(spec, places, impl_->options, impl_->seccomp)}};
  // source: crun(1) "run.oci.seccomp_bpf_data"
  if (!spec.insecure && !impl_->seccomp_program.empty())
    config["annotations"]["run.oci.seccomp_bpf_data"] = impl_->seccomp_program;
  try {
    return config.dump();
  } catch (const json::exception&) {
    throw Error(
        Errc::invalid_input,
        "the command, its environment or a path is not UTF-8, which a runtime configuration "
        "has to be");
  }
}

void make_mount_points(MountPoints& points, const RunSpec& spec) {
  std::vector<std::string> covering = {"/proc", "/dev", "/sys"};
  const auto mounts = in_order(spec.mounts);
  for (const Mount* one : mounts)
    covering.push_back(absolute_path(target_of(*one)));
  // What lies below another mount is not in the root file system.
  const auto is_covered = [&](const std::string& path) {
    return std::ranges::any_of(covering, [&](const auto& above) { return is_below(path, above); });
  };

  const std::string working_dir = absolute_path(spec.working_dir);
  if (!is_covered(working_dir) && !contains(covering, working_dir))
    points.make_directory(working_dir);
  for (const char* path : {"/proc", "/dev", "/sys"})
    points.add(path, true);
  for (const char* path : {"/etc/resolv.conf", "/etc/hosts"})
    points.add(path, false);
  for (const Mount* one : mounts) {
    const std::string target = absolute_path(target_of(*one));
    if (target == "/") throw Error(Errc::invalid_input, "mount target /: the root cannot be one");
    if (is_covered(target)) continue;
    struct stat status{};
    const auto* binding = std::get_if<BindMount>(one);
    if (binding && ::stat(binding->source.c_str(), &status) != 0)
      throw system_error(errno, "mount " + binding->source.string());
    const bool is_file =
        binding ? !S_ISDIR(status.st_mode) : std::holds_alternative<SecretMount>(*one);
    points.add(target, !is_file);
  }
}

}  // namespace kiln::sandbox
