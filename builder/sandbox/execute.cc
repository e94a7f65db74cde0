#include "builder/sandbox/execute.h"

#include <signal.h>

#include <exception>

#include "builder/os/task_group.h"
#include "builder/sandbox/programs.h"
#include "builder/sandbox/shielded.h"
#include "builder/sandbox/supervise.h"

namespace kiln::sandbox {

namespace asio = boost::asio;

namespace {

struct Ending {
  os::ExitStatus status;
  bool known = false;
};

asio::awaitable<void> wait_for(os::Process& process, Ending& ending) {
  ending.status = co_await process.wait();
  ending.known = true;
}

std::function<void(std::string_view)> to_stream(const OutputFn& output, int stream) {
  return [&output, stream](std::string_view text) { output(stream, text); };
}

/// A supervised command: our ends of its pipes.
struct Running {
  os::Fd out;
  os::Fd err;
  os::Fd lifeline;  ///< the supervisor stops everything when this is closed
  os::Process process;
};

Running start(asio::any_io_executor executor,
              const Step& step,
              const std::filesystem::path& supervisor) {
  os::Pipe out = os::make_pipe();
  os::Pipe err = os::make_pipe();
  os::Pipe lifeline = os::make_pipe();
  os::SpawnSpec spec;
  spec.argv = {supervisor, "supervise", "--cgroup", step.cgroup(), "--"};
  for (std::string& argument : step.command_line())
    spec.argv.push_back(std::move(argument));
  spec.env = runtime_environment();
  spec.stdout_fd = out.write_end.get();
  spec.stderr_fd = err.write_end.get();
  spec.more_fds = {{lifeline.read_end.get(), kLifelineFd}};
  if (step.program_fd() >= 0) spec.more_fds.emplace_back(step.program_fd(), kProgramFd);
  os::Process process = os::Process::spawn(std::move(executor), spec);
  return {std::move(out.read_end), std::move(err.read_end), std::move(lifeline.write_end),
          std::move(process)};
}

}  // namespace

asio::awaitable<os::ExitStatus> execute(const Step& step,
                                        std::filesystem::path supervisor,
                                        const OutputFn& output) {
  Running running = start(co_await asio::this_coro::executor, step, supervisor);
  Ending ending;
  std::vector<asio::awaitable<void>> tasks;
  tasks.push_back(os::read_pipe(std::move(running.out), to_stream(output, 1)));
  tasks.push_back(os::read_pipe(std::move(running.err), to_stream(output, 2)));
  tasks.push_back(wait_for(running.process, ending));
  std::exception_ptr failure;
  try {
    co_await os::all_of(std::move(tasks));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    if (!ending.known) {
      running.lifeline = os::Fd();
      co_await shielded(wait_for(running.process, ending));
    }
    std::rethrow_exception(failure);
  }
  co_return ending.status;
}

}  // namespace kiln::sandbox
