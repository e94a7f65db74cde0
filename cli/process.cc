#include "cli/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "cli/fd.h"
#include "proto/error.h"

namespace kiln::cli {

namespace {

void check_spawn(int error, std::string_view what) {
  if (error != 0) throw system_error(error, what);
}

/// posix_spawn's attributes and file actions, with every signal at its default and unblocked: the
/// child must not inherit what this process waits for.
class Spawn {
 public:
  explicit Spawn(short more_flags = 0) {
    check_spawn(::posix_spawnattr_init(&attributes_), "posix_spawnattr_init");
    check_spawn(::posix_spawn_file_actions_init(&actions_), "posix_spawn_file_actions_init");
    sigset_t none;
    sigemptyset(&none);
    const int flags = POSIX_SPAWN_SETSIGMASK | more_flags;
    check_spawn(::posix_spawnattr_setsigmask(&attributes_, &none), "posix_spawnattr_setsigmask");
    check_spawn(::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags)),
                "posix_spawnattr_setflags");
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;
  ~Spawn() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }

  /// `fd` becomes the child's `target`.
  void give(int fd, int target) {
    check_spawn(::posix_spawn_file_actions_adddup2(&actions_, fd, target), "adddup2");
  }
  void change_directory(const char* path) {
    check_spawn(::posix_spawn_file_actions_addchdir_np(&actions_, path), "addchdir_np");
  }
  void close_others() {
    check_spawn(::posix_spawn_file_actions_addclosefrom_np(&actions_, 3), "addclosefrom_np");
  }

  /// 0 or the errno of the failure.
  int run(const std::vector<std::string>& argv,
          pid_t& pid,
          const std::vector<std::string>& variables = {}) {
    std::vector<char*> pointers;
    for (const std::string& argument : argv)
      pointers.push_back(const_cast<char*>(argument.c_str()));  // NOLINT: exec takes char*
    pointers.push_back(nullptr);
    std::vector<char*> environment;
    for (const std::string& variable : variables)
      environment.push_back(const_cast<char*>(variable.c_str()));  // NOLINT: exec takes char*
    for (char** one = environ; *one != nullptr; ++one)
      environment.push_back(*one);
    environment.push_back(nullptr);
    return ::posix_spawnp(&pid, pointers[0], &actions_, &attributes_, pointers.data(),
                          environment.data());
  }

 private:
  posix_spawnattr_t attributes_{};
  posix_spawn_file_actions_t actions_{};
};

std::string content(const Fd& file) {
  if (::lseek(file.get(), 0, SEEK_SET) < 0) throw system_error(errno, "rewind a helper's output");
  return read_all(file.get(), "a helper's output");
}

}  // namespace

std::optional<ProcessResult> run_process(const std::vector<std::string>& argv,
                                         std::string_view input,
                                         const std::vector<std::string>& variables) {
  // Files in memory, not pipes: nobody has to be read or written while the program runs.
  const Fd in = memory_file(input);
  const Fd out = memory_file("");
  const Fd err = memory_file("");
  Spawn spawn;
  spawn.give(in.get(), STDIN_FILENO);
  spawn.give(out.get(), STDOUT_FILENO);
  spawn.give(err.get(), STDERR_FILENO);
  pid_t pid = 0;
  if (const int error = spawn.run(argv, pid, variables); error != 0) {
    if (error == ENOENT) return std::nullopt;
    throw system_error(error, "run " + argv[0]);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) throw system_error(errno, "wait for " + argv[0]);
  }
  const int exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return ProcessResult{exit_code, content(out), content(err)};
}

pid_t spawn_apart(const std::vector<std::string>& argv, int input) {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));  // NOLINT: open is variadic
  if (!null) throw system_error(errno, "open /dev/null");
  Spawn spawn(POSIX_SPAWN_SETSID);
  spawn.give(input, STDIN_FILENO);
  spawn.give(null.get(), STDOUT_FILENO);
  spawn.give(null.get(), STDERR_FILENO);
  spawn.close_others();
  pid_t pid = 0;
  check_spawn(spawn.run(argv, pid), "run " + argv[0]);
  return pid;
}

void wait_for_end(pid_t pid) {
  while (::waitpid(pid, nullptr, 0) < 0) {
    if (errno != EINTR) throw system_error(errno, "wait for a process");
  }
}

pid_t spawn_daemon(const std::vector<std::string>& argv, int log) {
  const Fd null = open_read("/dev/null");
  Spawn spawn(POSIX_SPAWN_SETSID);
  spawn.give(null.get(), STDIN_FILENO);
  spawn.give(log, STDOUT_FILENO);
  spawn.give(log, STDERR_FILENO);
  spawn.close_others();
  spawn.change_directory("/");
  pid_t pid = 0;
  check_spawn(spawn.run(argv, pid), "run " + argv[0]);
  return pid;
}

}  // namespace kiln::cli
