#include "builder/sandbox/step.h"

#include <sys/stat.h>

#include <cerrno>

#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "builder/sandbox/resolver.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

constexpr std::size_t kMaxLogBytes = 1024 * 1024;

}  // namespace

Step::Step(const StepHost& host,
           std::string id,
           const RunSpec& spec,
           const NetworkPlace& network,
           const std::string& host_address)
    : host_(host), id_(std::move(id)), bundle_(host.bundles / id_) {
  BundlePlaces places;
  places.user = resolve_user(os::Dir::open(spec.rootfs), spec.user);
  places.network = network;
  places.hosts = bundle_ / "hosts";
  places.resolv_conf = bundle_ / "resolv.conf";
  places.cgroups_path = "/" + (host.cgroup / id_).lexically_relative(kCgroupRoot).string();
  const std::string config = host.format.config(spec, places);
  const std::string hosts = hosts_file(spec.hostname, spec.add_hosts, host_address);

  if (::mkdir(bundle_.c_str(), 0700) != 0)
    throw system_error(errno, "make the bundle " + bundle_.string());
  try {
    os::write_file(places.hosts, hosts);
    os::write_file(places.resolv_conf, resolver_config("/", network.shares_host).text);
    os::write_file(bundle_ / "config.json", config);
    cgroup_ = Cgroup(host.cgroup / id_);
    if (host.device_filter && !spec.insecure) host.device_filter->attach(cgroup_.directory());
    mount_points_ = std::make_unique<MountPoints>(spec.rootfs);
    make_mount_points(*mount_points_, spec);
  } catch (...) {
    os::remove_tree(bundle_);
    throw;
  }
}

Step::~Step() {
  try {
    close();
  } catch (const Error&) {
    return;  // the members' destructors go on; the next start empties the rest
  }
}

std::vector<std::string> Step::command_line() const {
  return host_.engine.run_command_line(bundle_, bundle_ / "log", id_);
}

std::string Step::log() const {
  const auto path = bundle_ / "log";
  std::error_code error;
  return std::filesystem::exists(path, error) ? os::read_file(path, kMaxLogBytes) : std::string();
}

void Step::close() {
  cgroup_.close();
  if (const auto points = std::exchange(mount_points_, nullptr)) points->remove();
  if (bundle_.empty()) return;
  os::remove_tree(std::exchange(bundle_, {}));
  os::remove_tree(host_.engine.state / id_);  // what a killed runtime left
}

}  // namespace kiln::sandbox
