#include "cli/autostart.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "cli/errors.h"
#include "cli/process.h"

namespace kiln::cli {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

Fd open_private(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd) throw system_error(errno, "open " + path);
  return fd;
}

/// The last lines of what was written to the log since `offset`.
std::string log_tail(int log, off_t offset) {
  constexpr std::size_t kLines = 10;
  if (::lseek(log, offset, SEEK_SET) < 0) throw system_error(errno, "seek in kilnd.log");
  std::string text = read_all(log, "kilnd.log");
  while (text.ends_with('\n'))
    text.pop_back();
  std::size_t start = text.size();
  for (std::size_t line = 0; line < kLines && start != std::string::npos && start > 0; ++line)
    start = text.rfind('\n', start - 1);
  return start == std::string::npos ? text : text.substr(start + (text[start] == '\n' ? 1 : 0));
}

/// One line that says how the process ended.
std::string describe_end(int status) {
  if (WIFSIGNALED(status)) return fmt::format("ended by signal {}", WTERMSIG(status));
  return fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

Connection wait_until_ready(const Autostart& options, pid_t pid, int log, off_t log_start) {
  const std::string log_path = fs::path(options.socket_path).replace_filename("kilnd.log");
  const auto deadline = Clock::now() + options.patience;
  while (Clock::now() < deadline) {
    if (auto connection = Connection::open(options.socket_path)) return std::move(*connection);
    int status = 0;
    if (::waitpid(pid, &status, WNOHANG) == pid) {
      const std::string tail = log_tail(log, log_start);
      throw ConnectionError("{} {}{}{} (log: {})", options.program, describe_end(status),
                            tail.empty() ? "" : ":\n", tail, log_path);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const std::string tail = log_tail(log, log_start);
  ::kill(pid, SIGTERM);
  throw ConnectionError("{} did not accept connections on {} within {} s{}{} (log: {})",
                        options.program, options.socket_path,
                        std::chrono::duration_cast<std::chrono::seconds>(options.patience).count(),
                        tail.empty() ? "" : ":\n", tail, log_path);
}

}  // namespace

std::optional<std::string> find_daemon_program() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    const fs::path beside = self.parent_path() / "kilnd";
    if (::access(beside.c_str(), X_OK) == 0) return beside.string();
  }
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): one thread
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    const fs::path candidate = fs::path(folder) / "kilnd";
    if (candidate.is_absolute() && ::access(candidate.c_str(), X_OK) == 0)
      return candidate.string();
  }
  return std::nullopt;
}

Connection start_daemon(const Autostart& options) {
  const fs::path folder = fs::path(options.socket_path).parent_path();
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw ConnectionError("make {} for the daemon's socket: {}", folder.string(), error.message());
  return within("start a daemon", [&] {
    const Fd lock = open_private(folder / "kilnd.start.lock");
    while (::flock(lock.get(), LOCK_EX) < 0) {
      if (errno != EINTR)
        throw system_error(errno, "lock " + folder.string() + "/kilnd.start.lock");
    }
    if (auto connection = Connection::open(options.socket_path)) return std::move(*connection);

    const Fd log = open_private(folder / "kilnd.log");
    const off_t log_start = ::lseek(log.get(), 0, SEEK_END);
    const pid_t pid = spawn_daemon(
        {options.program, "--listen", "unix://" + options.socket_path, "--idle-exit", "600"},
        log.get());
    Connection connection = wait_until_ready(options, pid, log.get(), log_start);
    if (!options.quiet)
      fmt::print(stderr,
                 "kiln: started {} (process {}); it ends after 10 idle minutes, its log is {}\n",
                 options.program, pid, (folder / "kilnd.log").string());
    return connection;
  });
}

}  // namespace kiln::cli
