// kilnd: flags → configuration → daemon.

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "builder/os/memory.h"
#include "builder/os/mount.h"
#include "builder/services.h"
#include "daemon/command_line.h"
#include "daemon/daemon.h"
#include "daemon/failure.h"

namespace {

constexpr rlim_t kMaxOpenFiles = 65536;

/// Clients pass descriptors, and layers hold many: 1024, systemd's default, is for programs that
/// use select().
void raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kMaxOpenFiles) return;
  limit.rlim_cur = std::min(limit.rlim_max, kMaxOpenFiles);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    kiln::daemon::Log().warn("the limit of open files stays as it is");
  }
}

/// Things of the whole process, while it has a single thread.
void prepare_process() {
  // A client that closes a pipe it asked us to write to must not kill the daemon.
  std::signal(SIGPIPE, SIG_IGN);
  kiln::os::keep_heap_small();
  raise_open_files();
  kiln::os::enter_private_mount_namespace();
  if (kiln::os::unify_cgroup_layout()) {
    kiln::daemon::Log().info(
        "the host has hybrid cgroups; kilnd and its steps see version 2 alone");
  }
}

int run(const kiln::daemon::Config& config) {
  boost::asio::io_context io{1};
  std::exception_ptr failure;
  boost::asio::co_spawn(io, kiln::daemon::run_daemon(io, config),
                        [&failure](std::exception_ptr error) { failure = error; });
  io.run();
  if (!failure) return 0;
  kiln::daemon::Log().error("{}", kiln::daemon::describe_failure(failure).message);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "supervise") return kiln::supervise_main(argc, argv);
  try {
    const auto parsed = kiln::daemon::parse_command_line(argc, argv);
    if (parsed.exit_code) return *parsed.exit_code;
    const kiln::daemon::Config& config = parsed.command.config;
    if (parsed.command.show_config) {
      std::fputs(kiln::daemon::to_toml(config).c_str(), stdout);
      return 0;
    }
    kiln::daemon::start_logging(config.log.level);
    prepare_process();
    return run(config);
  } catch (const kiln::Error& error) {
    std::fprintf(stderr, "kilnd: %s\n", error.what());
    return error.code() == kiln::Errc::invalid_input ? 2 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kilnd: %s\n", error.what());
    return 1;
  }
}
