#include "builder/sandbox/execute.h"

#include <signal.h>

#include <boost/system/system_error.hpp>
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
              const std::filesystem::path& supervisor,
              const Attachment* attachment) {
  os::Pipe out;
  os::Pipe err;
  const bool has_pipes = attachment != nullptr && !attachment->terminal;
  if (!has_pipes) {
    out = os::make_pipe();
    err = os::make_pipe();
  }
  os::Pipe lifeline = os::make_pipe();
  os::SpawnSpec spec;
  spec.argv = {supervisor, "supervise"};
  for (std::string& argument : step.command_line())
    spec.argv.push_back(std::move(argument));
  spec.env = runtime_environment();
  if (has_pipes) spec.stdin_fd = attachment->in.get();
  spec.stdout_fd = has_pipes ? attachment->out.get() : out.write_end.get();
  spec.stderr_fd = has_pipes ? attachment->err.get() : err.write_end.get();
  spec.more_fds = {{lifeline.read_end.get(), kLifelineFd}};
  if (step.program_fd() >= 0) spec.more_fds.emplace_back(step.program_fd(), kProgramFd);
  os::Process process = os::Process::spawn(std::move(executor), spec);
  return {std::move(out.read_end), std::move(err.read_end), std::move(lifeline.write_end),
          std::move(process)};
}

asio::awaitable<void> pass_on_until_cancelled(const ConsoleSocket& console, int client) {
  try {
    co_await console.pass_on(client);
  } catch (const boost::system::system_error& error) {
    if (error.code() != asio::error::operation_aborted) throw;
  }
}

/// Until the process ends: a runtime that fails hands nothing over.
asio::awaitable<void> wait_with_console(os::Process& process,
                                        Ending& ending,
                                        const ConsoleSocket& console,
                                        int client) {
  co_await asio::this_coro::throw_if_cancelled(false);  // the group is joined also then
  os::TaskGroup handing_over(co_await asio::this_coro::executor);
  handing_over.spawn(pass_on_until_cancelled(console, client));
  std::exception_ptr failure;
  try {
    co_await wait_for(process, ending);
  } catch (...) {
    failure = std::current_exception();
  }
  handing_over.cancel();
  co_await shielded(handing_over.join());
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

asio::awaitable<os::ExitStatus> execute(const Step& step,
                                        std::filesystem::path supervisor,
                                        const Attachment* attachment,
                                        const OutputFn& output) {
  Running running = start(co_await asio::this_coro::executor, step, supervisor, attachment);
  Ending ending;
  std::vector<asio::awaitable<void>> tasks;
  if (running.out) tasks.push_back(os::read_pipe(std::move(running.out), to_stream(output, 1)));
  if (running.err) tasks.push_back(os::read_pipe(std::move(running.err), to_stream(output, 2)));
  if (const ConsoleSocket* console = step.console()) {
    const int client = attachment->terminal.get();
    tasks.push_back(wait_with_console(running.process, ending, *console, client));
  } else {
    tasks.push_back(wait_for(running.process, ending));
  }
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
