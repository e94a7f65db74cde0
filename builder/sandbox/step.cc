#include "builder/sandbox/step.h"

#include <sys/stat.h>

#include <cerrno>
#include <random>

#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "builder/sandbox/resolver.h"
#include "builder/sandbox/secret_files.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

constexpr std::size_t kMaxLogBytes = 1024 * 1024;

std::string new_nonce() {
  std::random_device random;
  return fmt::format("kiln-secret-{:08x}{:08x}{:08x}{:08x}", random(), random(), random(),
                     random());
}

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
  places.secrets = bundle_;
  places.secret_nonce = new_nonce();
  const std::string config = host.format.config(spec, places);
  const std::string hosts = hosts_file(spec.hostname, spec.add_hosts, host_address);

  if (::mkdir(bundle_.c_str(), 0700) != 0)
    throw system_error(errno, "make the bundle " + bundle_.string());
  try {
    if (has_secrets(spec)) memory_ = mount_secret_files(spec, bundle_);
    os::write_file(places.hosts, hosts);
    os::write_file(places.resolv_conf, resolver_config("/", network.shares_host).text);
    write_configuration(bundle_ / "config.json", config, spec, places.secret_nonce);
    cgroup_ = Cgroup(host.cgroup / id_);
    if (host.device_filter && !spec.insecure) host.device_filter->attach(cgroup_.directory());
    mount_points_ = std::make_unique<MountPoints>(spec.rootfs);
    make_mount_points(*mount_points_, spec);
    if (spec.attachment && spec.attachment->terminal) console_.emplace(bundle_);
  } catch (...) {
    console_.reset();
    memory_ = os::Mount();
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
  std::vector<std::string> words = {"--cgroup", cgroup()};
  std::vector<std::string> runtime;
  if (console_) {
    const std::filesystem::path pid_file = bundle_ / "pid";
    words.insert(words.end(), {"--pid-file", pid_file});
    runtime = host_.engine.detached_command_line(bundle_, bundle_ / "log", id_, console_->address(),
                                                 pid_file);
  } else {
    runtime = host_.engine.run_command_line(bundle_, bundle_ / "log", id_);
  }
  words.emplace_back("--");
  words.insert(words.end(), runtime.begin(), runtime.end());
  return words;
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
  console_.reset();  // its descriptor is in what is unmounted next
  memory_ = os::Mount();
  os::remove_tree(std::exchange(bundle_, {}));
  os::remove_tree(host_.engine.state / id_);  // what a killed runtime left
}

}  // namespace kiln::sandbox
