// Child processes: started by posix_spawn, awaited by pidfd, never left behind.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "builder/os/fd.h"

namespace kiln::os {

struct SpawnSpec {
  std::vector<std::string> argv;  ///< argv[0] is looked up in PATH when it has no '/'
  std::vector<std::string> env;   ///< NAME=value; the complete environment
  int stdin_fd = -1;              ///< -1 is /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
  std::vector<std::pair<int, int>> more_fds;  ///< our descriptor, its number in the child (>= 3)
};

struct ExitStatus {
  int code = 0;
  int signal = 0;  ///< not 0: killed by it
  [[nodiscard]] bool ok() const noexcept { return code == 0 && signal == 0; }
};

/// A running child, leader of its own process group. The destructor kills the group and reaps.
class Process {
 public:
  /// Throws Error{not_found} when the program does not exist.
  [[nodiscard]] static Process spawn(boost::asio::any_io_executor executor, const SpawnSpec& spec);
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;
  ~Process();

  /// Waits for the end, then kills what is left of the group; once. A cancelled waiter throws
  /// operation_aborted and the child runs on.
  boost::asio::awaitable<ExitStatus> wait();
  /// Signals the process group.
  void kill(int signal) noexcept;
  [[nodiscard]] pid_t pid() const noexcept;

 private:
  struct State;
  explicit Process(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Reads `pipe` to its end, giving each piece to `take` on the event loop.
boost::asio::awaitable<void> read_pipe(Fd pipe, std::function<void(std::string_view)> take);

struct Output {
  ExitStatus status;
  std::string out;
  std::string err;
};

/// Runs a short command to its end with `input` on stdin, at most 1 MiB of output each.
boost::asio::awaitable<Output> run_command(std::vector<std::string> argv,
                                           std::vector<std::string> env,
                                           std::string input);

}  // namespace kiln::os
