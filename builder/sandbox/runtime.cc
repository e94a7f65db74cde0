#include "builder/sandbox/runtime.h"

#include <linux/capability.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cctype>
#include <exception>

#include "builder/os/file.h"
#include "builder/os/mount.h"
#include "builder/os/offload.h"
#include "builder/sandbox/capabilities.h"
#include "builder/sandbox/execute.h"
#include "builder/sandbox/network.h"
#include "builder/sandbox/programs.h"
#include "builder/sandbox/resolver.h"
#include "builder/sandbox/seccomp.h"
#include "builder/sandbox/seccomp_filter.h"
#include "builder/sandbox/shielded.h"
#include "builder/sandbox/step.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxProfileBytes = 4 * 1024 * 1024;
constexpr std::uint64_t kMaxStateBytes = 1024ULL * 1024 * 1024;

NetworksConfig networks_config(const RuntimeConfig& config) {
  Network standard = Network::standard;
  if (config.default_network == "host") {
    standard = Network::host;
  } else if (config.default_network == "none") {
    standard = Network::none;
  } else if (!config.default_network.empty() && config.default_network != "default") {
    throw Error(Errc::invalid_input, "network {}: unknown; one of default, host, none",
                config.default_network);
  }
  return {config.state_directory / "networks", config.cni_plugins, config.cgroup_name, standard};
}

/// A score below our own takes CAP_SYS_RESOURCE; a daemon that protects itself does not protect its
/// steps.
int step_oom_score_adj() {
  return std::max(0, std::atoi(os::read_file("/proc/self/oom_score_adj", 64).c_str()));
}

std::optional<std::string> load_seccomp(std::uint64_t allowed, std::vector<std::string>& warnings) {
  const auto path = find_seccomp_profile();
  if (!path) {
    warnings.emplace_back(
        "RUN has no seccomp filter: there is no /usr/share/containers/seccomp.json; install "
        "golang-github-containers-common");
    return std::nullopt;
  }
  return within(path->string(), [&] {
    return translate_seccomp(os::read_file(*path, kMaxProfileBytes),
                             local_seccomp_target(default_capabilities(allowed)));
  });
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

class Runtime::Impl {
 public:
  Impl(RuntimeConfig config, asio::thread_pool& pool)
      : config_(std::move(config)), pool_(pool), networks_(networks_config(config_), pool_) {}

  ~Impl() {
    // On a loop of its own: the daemon's has ended or is about to.
    try {
      asio::io_context io{1};
      asio::co_spawn(io, networks_.trim(true), [](std::exception_ptr) {});
      io.run();
    } catch (...) {
      return;  // the next start finds the records
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  asio::awaitable<void> open() {
    co_await os::offload(pool_, [this] { clean(); });
    co_await networks_.open();
    for (const std::string& warning : networks_.warnings())
      warnings_.push_back(warning);
    known_network_warnings_ = networks_.warnings().size();
    const auto resolver = resolver_config("/", networks_.standard_is_host());
    if (!resolver.warning.empty()) warnings_.push_back(resolver.warning);
    co_await find_engine();
  }

  asio::awaitable<os::ExitStatus> run(RunSpec spec, OutputFn output) {
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    std::exception_ptr failure;
    os::ExitStatus status;
    try {
      status = co_await run_step(spec, output);
    } catch (...) {
      failure = std::current_exception();
    }
    co_await shielded(networks_.trim(false));
    co_await asio::this_coro::throw_if_cancelled(throws);
    if (failure) std::rethrow_exception(failure);
    co_return status;
  }

  [[nodiscard]] const std::string& description() const { return host_->engine.description; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  /// Kills and removes what an earlier process left. The networks' records stay until their
  /// plugins were told.
  void clean() {
    cgroup_ = Cgroup(std::filesystem::path(kCgroupRoot) / config_.cgroup_name);
    for (const char* name : {"runtime", "bundles", "probe"}) {
      os::remove_tree(config_.state_directory / name);
      std::filesystem::create_directories(config_.state_directory / name);
    }
    // Runtimes keep a copy of each configuration here, which may have secrets.
    runtime_state_ = os::mount_memory(config_.state_directory / "runtime", kMaxStateBytes);
    for (const char* name : {"dev", "etc", "proc", "sys"})
      std::filesystem::create_directories(config_.state_directory / "probe" / name);
  }

  asio::awaitable<void> find_engine() {
    std::uint64_t allowed = own_capabilities();
    const auto seccomp = load_seccomp(allowed, warnings_);
    std::optional<DeviceFilter> filter;
    try {
      filter.emplace();
    } catch (const Error& error) {
      // Who may make device nodes and open them may read the host's disks.
      allowed &= ~(std::uint64_t{1} << CAP_MKNOD);
      warnings_.push_back(fmt::format("RUN cannot make device nodes: {}", error.what()));
    }
    std::vector<std::string> candidates = {"crun", "runc"};
    if (!config_.runtime.empty()) candidates = {config_.runtime};
    std::string answers;
    for (const std::string& name : candidates) {
      std::string failure;
      try {
        Engine engine = co_await identify(name);
        os::Fd image = seal_program(engine.program);
        const auto program = seccomp && engine.is_crun ? compile_seccomp(*seccomp) : std::nullopt;
        BundleFormat format({allowed, seccomp, program, !engine.is_crun, step_oom_score_adj()});
        host_ = std::make_unique<StepHost>(config_.state_directory / "bundles", cgroup_.directory(),
                                           std::move(engine), std::move(image), std::move(format),
                                           std::move(filter));
        co_await probe();
        co_return;
      } catch (const Error& error) {
        failure = error.what();
      }
      if (host_) filter = std::move(host_->device_filter);
      host_.reset();
      answers += fmt::format("{}{}: {}", answers.empty() ? "" : "; ", name, failure);
    }
    throw Error(Errc::unavailable, "no OCI runtime works here: {}; install crun or runc", answers);
  }

  asio::awaitable<Engine> identify(std::string name) {
    const auto program = find_program(name);
    if (!program) throw Error(Errc::not_found, "not installed");
    const auto state = config_.state_directory / "runtime";
    std::vector<std::string> argv;
    argv.push_back(program->string());
    // Without it crun makes /run/crun, even to say its version.
    argv.emplace_back("--root");
    argv.push_back(state.string());
    argv.emplace_back("--version");
    const os::Output output = co_await os::run_command(std::move(argv), runtime_environment(), "");
    if (!output.status.ok()) {
      throw Error(Errc::unavailable, "{} --version: {}", program->string(), output.err);
    }
    Engine engine;
    engine.program = *program;
    engine.description = parse_version(output.out);
    engine.is_crun = engine.description.starts_with("crun");
    engine.state = state;
    co_return engine;
  }

  /// A container whose program is a file that no kernel executes: everything was set up, filter
  /// included, when exactly that is what fails, and no program of this architecture is needed.
  asio::awaitable<void> probe() {
    const auto rootfs = config_.state_directory / "probe";
    const auto program = rootfs / "probe";
    os::write_file(program, "kiln");
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    RunSpec spec;
    spec.rootfs = rootfs;
    spec.args = {"/probe"};
    spec.network = Network::host;
    std::string words;
    const OutputFn collect = [&words](int, std::string_view text) { words += text; };
    const os::ExitStatus status = co_await run_step(spec, collect);
    if (lower(words).contains("exec format error")) co_return;
    throw Error(Errc::unavailable, "a test container ended with exit code {}: {}", status.code,
                words.empty() ? "it said nothing" : words);
  }

  /// Needs throw_if_cancelled(false), except in open(), where nothing is to be kept.
  asio::awaitable<os::ExitStatus> run_step(const RunSpec& spec, const OutputFn& output) {
    check(!spec.args.empty(), "a step has a command");
    const Networks::Lease lease = co_await shielded(networks_.lease(spec.network, spec.insecure));
    tell_network_warnings(output);
    const std::string id = fmt::format("{}-{}", config_.cgroup_name, next_id_++);
    const auto step = co_await shielded(os::offload(pool_, [&] {
      return std::make_unique<Step>(*host_, id, spec, lease.place(),
                                    Networks::host_address(lease.place()));
    }));
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none)
      throw boost::system::system_error(asio::error::operation_aborted);

    os::ExitStatus status =
        co_await execute(*step, config_.supervisor, spec.attachment.get(), output);
    std::string log;
    co_await shielded(os::offload(pool_, [&] {
      if (!status.ok()) log = step->log();
      step->close();
    }));
    if (!status.ok()) status = explain(status, log, spec, output);
    co_return status;
  }

  /// Tells the runtime's own failure from the command's exit code.
  os::ExitStatus explain(os::ExitStatus status,
                         const std::string& log,
                         const RunSpec& spec,
                         const OutputFn& output) const {
    const auto failure = logged_failure(log);
    if (!failure) return status;
    const Engine& engine = host_->engine;
    const auto code = command_fault(*failure);
    if (!code)
      throw Error(Errc::unavailable, "run {}: {}: {}", spec.args[0], engine.description, *failure);
    // runc said it on stderr already.
    if (engine.is_crun) output(2, fmt::format("{}\n", *failure));
    return {*code, 0};
  }

  void tell_network_warnings(const OutputFn& output) {
    const auto& warnings = networks_.warnings();
    for (; known_network_warnings_ < warnings.size(); ++known_network_warnings_) {
      warnings_.push_back(warnings[known_network_warnings_]);
      output(2, fmt::format("warning: {}\n", warnings_.back()));
    }
  }

  RuntimeConfig config_;
  asio::thread_pool& pool_;
  Networks networks_;
  Cgroup cgroup_;
  os::Mount runtime_state_;
  std::unique_ptr<StepHost> host_;
  std::vector<std::string> warnings_;
  std::size_t known_network_warnings_ = 0;
  std::uint64_t next_id_ = 0;
};

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Runtime::~Runtime() = default;

asio::awaitable<std::unique_ptr<Runtime>> Runtime::open(RuntimeConfig config,
                                                        asio::thread_pool& pool) {
  auto impl = std::make_unique<Impl>(std::move(config), pool);
  co_await impl->open();
  co_return std::unique_ptr<Runtime>(new Runtime(std::move(impl)));
}

asio::awaitable<os::ExitStatus> Runtime::run(RunSpec spec, OutputFn output) {
  return impl_->run(std::move(spec), std::move(output));
}

std::string Runtime::description() const {
  return impl_->description();
}

const std::vector<std::string>& Runtime::warnings() const noexcept {
  return impl_->warnings();
}

}  // namespace kiln::sandbox
