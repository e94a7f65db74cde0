// The process between the daemon and the runtime. Descriptor 3 is the reading end of a pipe whose
// writing end only the daemon holds: its end is the daemon's death, whichever thread started us
// (PR_SET_PDEATHSIG would speak for that thread alone).
#include "builder/sandbox/supervise.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "builder/os/fd.h"
#include "builder/os/file.h"
#include "builder/sandbox/cgroup.h"
#include "builder/sandbox/runtime.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

constexpr int kUsage = 2;
constexpr int kFailed = 125;
constexpr std::chrono::seconds kPatience{10};

int exit_code(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Kills our children, whoever was their parent before (we are a subreaper).
void kill_children() {
  const std::string text = os::read_file("/proc/thread-self/children", 1024 * 1024);
  const char* position = text.data();
  const char* const end = text.data() + text.size();
  while (position < end) {
    pid_t pid = 0;
    const auto [rest, error] = std::from_chars(position, end, pid);
    if (error == std::errc() && pid > 0) ::kill(pid, SIGKILL);
    position = rest + 1;
  }
}

class Supervisor {
 public:
  Supervisor(std::string cgroup, std::string pid_file, char** argv)
      : cgroup_(std::move(cgroup)), pid_file_(std::move(pid_file)), argv_(argv) {}

  int run() {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) throw system_error(errno, "subreaper");
    ::prctl(PR_SET_NAME, "kiln-supervise", 0, 0, 0);
    ::fcntl(kLifelineFd, F_SETFD, FD_CLOEXEC);
    start();
    while (true) {
      pollfd events[2] = {{signals_.get(), POLLIN, 0}, {kLifelineFd, 0, 0}};
      if (::poll(events, 2, -1) < 0 && errno != EINTR) throw system_error(errno, "poll");
      if (events[1].revents != 0 || stop_asked()) return stop();
      if (reap() && finished_) return code_;
    }
  }

 private:
  void take_signals() {
    sigset_t taken;
    ::sigemptyset(&taken);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP})
      ::sigaddset(&taken, signal);
    ::sigprocmask(SIG_BLOCK, &taken, nullptr);
    signals_ = os::Fd(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) throw system_error(errno, "signalfd");
  }

  void start() {
    // Looked at first: a descriptor made here could get its number.
    const bool has_image = ::fcntl(kProgramFd, F_SETFD, FD_CLOEXEC) == 0;
    take_signals();
    sigset_t none;
    ::sigemptyset(&none);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    const std::string image = fmt::format("/proc/self/fd/{}", kProgramFd);
    const int error = ::posix_spawn(&runtime_, has_image ? image.c_str() : argv_[0], nullptr,
                                    &attributes, argv_, environ);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) throw system_error(error, std::string("start ") + argv_[0]);
  }

  bool stop_asked() {
    signalfd_siginfo info{};
    bool asked = false;
    while (::read(signals_.get(), &info, sizeof info) == sizeof info)
      asked = asked || info.ssi_signo != SIGCHLD;
    return asked;
  }

  /// True when the runtime ended, or the container that it left behind.
  bool reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == runtime_) {
        container_ = status == 0 && !pid_file_.empty() ? read_pid() : pid;
      }
      ended_[pid] = status;  // the container may end before we know which one it is
    }
    const auto end = container_ > 0 ? ended_.find(container_) : ended_.end();
    if (end == ended_.end()) return false;
    finished_ = true;
    code_ = exit_code(end->second);
    return true;
  }

  [[nodiscard]] pid_t read_pid() const {
    const std::string text = os::read_file(pid_file_, 64);
    pid_t pid = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || pid <= 0)
      throw Error(Errc::unavailable, "{}: the runtime wrote no process id", pid_file_);
    return pid;
  }

  /// The runtime may be anywhere in setting the container up: its children are in the cgroup
  /// already, or still ours. What dies hands its own children to us, so this ends when all are
  /// gone.
  int stop() {
    while (true) {
      kill_cgroup(cgroup_);
      kill_children();
      if (::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) break;
    }
    remove_cgroup(cgroup_, kPatience);
    return 128 + SIGKILL;
  }

  std::string cgroup_;
  std::string pid_file_;
  char** argv_;
  os::Fd signals_;
  pid_t runtime_ = -1;
  pid_t container_ = -1;        ///< whose end is ours, once it is known
  std::map<pid_t, int> ended_;  ///< children by their numbers, with how they ended
  bool finished_ = false;
  int code_ = kFailed;
};

}  // namespace

int supervise(int argc, char** argv) {
  std::string cgroup;
  std::string pid_file;
  int next = 2;
  for (; next + 1 < argc && std::string_view(argv[next]) != "--"; next += 2) {
    const std::string_view flag = argv[next];
    if (flag == "--cgroup") cgroup = argv[next + 1];
    if (flag == "--pid-file") pid_file = argv[next + 1];
  }
  if (cgroup.empty() || next + 1 >= argc || std::string_view(argv[next]) != "--") {
    std::fprintf(stderr, "usage: %s supervise --cgroup DIR [--pid-file FILE] -- COMMAND...\n",
                 argv[0]);
    return kUsage;
  }
  try {
    return Supervisor(std::move(cgroup), std::move(pid_file), argv + next + 1).run();
  } catch (const Error& error) {
    std::fprintf(stderr, "kiln: supervise: %s\n", error.what());
    return kFailed;
  }
}

}  // namespace kiln::sandbox
