#include "builder/os/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <mutex>

#include "builder/os/task_group.h"
#include "proto/error.h"

namespace kiln::os {

namespace asio = boost::asio;

struct Process::State {
  pid_t pid = -1;
  asio::posix::stream_descriptor pidfd;
  bool reaped = false;
};

namespace {

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  void give(int fd, int number) {
    if (fd < 0) {
      ::posix_spawn_file_actions_addopen(&actions_, number, "/dev/null", O_RDWR, 0);
    } else {
      ::posix_spawn_file_actions_adddup2(&actions_, fd, number);
    }
  }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class Attributes {
 public:
  Attributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  [[nodiscard]] const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const std::string& text : strings)
    result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

/// glibc 2.36 declares waitid's P_PIDFD but its <sys/pidfd.h> is not usable from C++.
Fd open_pidfd(pid_t pid) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) throw system_error(errno, "pidfd_open");
  return fd;
}

/// Without reaping it.
bool has_ended(pid_t pid) {
  siginfo_t info{};
  const int flags = WEXITED | WNOHANG | WNOWAIT;
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, flags) != 0 || info.si_pid == pid;
}

ExitStatus reap(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0) {
    if (errno != EINTR) throw system_error(errno, "wait for a child process");
  }
  if (info.si_code == CLD_EXITED) return {info.si_status, 0};
  return {0, info.si_status};
}

int highest_number(const SpawnSpec& spec) {
  int highest = 2;
  for (const auto& [ours, theirs] : spec.more_fds)
    highest = std::max(highest, theirs);
  return highest;
}

}  // namespace

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&& other) noexcept {
  std::swap(state_, other.state_);  // the one that was here is killed by `other`
  return *this;
}

Process::~Process() {
  if (!state_ || state_->reaped) return;
  kill(SIGKILL);
  try {
    reap(state_->pid);
  } catch (const Error&) {
    return;  // already reaped by nobody else: there is nothing left to clean
  }
}

Process Process::spawn(asio::any_io_executor executor, const SpawnSpec& spec) {
  check(!spec.argv.empty(), "a command has a name");
  FileActions actions;
  actions.give(spec.stdin_fd, 0);
  actions.give(spec.stdout_fd, 1);
  actions.give(spec.stderr_fd, 2);
  // Copies above all numbers that are given out, so that giving one does not overwrite the next.
  std::vector<Fd> copies;
  for (const auto& [ours, theirs] : spec.more_fds) {
    copies.emplace_back(::fcntl(ours, F_DUPFD_CLOEXEC, highest_number(spec) + 1));
    if (!copies.back()) throw system_error(errno, "duplicate a file descriptor");
    actions.give(copies.back().get(), theirs);
  }
  const Attributes attributes;
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, spec.argv[0].c_str(), actions.get(), attributes.get(),
                                   c_strings(spec.argv).data(), c_strings(spec.env).data());
  if (error != 0) throw system_error(error, "start " + spec.argv[0]);
  auto state = std::make_unique<State>(pid, asio::posix::stream_descriptor(executor), false);
  Process process(std::move(state));  // from here on the child is killed and reaped on failure
  process.state_->pidfd.assign(open_pidfd(pid).release());
  return process;
}

asio::awaitable<ExitStatus> Process::wait() {
  do {
    co_await state_->pidfd.async_wait(asio::posix::stream_descriptor::wait_read,
                                      asio::use_awaitable);
    // Asio's reactor may hand over an event of the descriptor that had this one's place before.
  } while (!has_ended(state_->pid));
  // What the leader left running in its group goes with it; as long as the leader is not reaped,
  // the group's number is no one else's.
  kill(SIGKILL);
  state_->reaped = true;
  co_return reap(state_->pid);
}

void Process::kill(int signal) noexcept {
  if (state_ && !state_->reaped) ::kill(-state_->pid, signal);
}

pid_t Process::pid() const noexcept {
  return state_->pid;
}

asio::awaitable<void> read_pipe(Fd pipe, std::function<void(std::string_view)> take) {
  asio::posix::stream_descriptor stream(co_await asio::this_coro::executor, pipe.release());
  std::vector<char> buffer(16 * 1024);
  while (true) {
    boost::system::error_code error;
    const std::size_t count = co_await stream.async_read_some(
        asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    if (count > 0) take({buffer.data(), count});
    if (error == asio::error::eof) co_return;
    if (error) throw boost::system::system_error(error);
  }
}

namespace {

constexpr std::size_t kMaxOutputBytes = 1024 * 1024;

/// A command that ends before it has read its input is no reason to die. Children get the default
/// action back (Attributes).
void ignore_broken_pipes() {
  static std::once_flag once;
  std::call_once(once, [] { ::signal(SIGPIPE, SIG_IGN); });
}

asio::awaitable<void> write_pipe(Fd pipe, std::string text) {
  asio::posix::stream_descriptor stream(co_await asio::this_coro::executor, pipe.release());
  boost::system::error_code error;
  co_await asio::async_write(stream, asio::buffer(text),
                             asio::redirect_error(asio::use_awaitable, error));
  // A command need not read its input to the end.
  if (error && error != asio::error::broken_pipe) throw boost::system::system_error(error);
}

std::function<void(std::string_view)> collect(std::string& text) {
  return [&text](std::string_view piece) {
    text.append(piece.substr(0, kMaxOutputBytes - std::min(kMaxOutputBytes, text.size())));
  };
}

asio::awaitable<void> wait_for(Process& process, ExitStatus& status) {
  status = co_await process.wait();
}

}  // namespace

asio::awaitable<Output> run_command(std::vector<std::string> argv,
                                    std::vector<std::string> env,
                                    std::string input) {
  ignore_broken_pipes();
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  Process process =
      Process::spawn(co_await asio::this_coro::executor,
                     {argv, env, in.read_end.get(), out.write_end.get(), err.write_end.get(), {}});
  in.read_end = Fd();
  out.write_end = Fd();
  err.write_end = Fd();
  Output output;
  std::vector<asio::awaitable<void>> tasks;
  tasks.push_back(write_pipe(std::move(in.write_end), std::move(input)));
  tasks.push_back(read_pipe(std::move(out.read_end), collect(output.out)));
  tasks.push_back(read_pipe(std::move(err.read_end), collect(output.err)));
  tasks.push_back(wait_for(process, output.status));
  co_await all_of(std::move(tasks));
  co_return output;
}

}  // namespace kiln::os
