#include "builder/ops/git_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cstdlib>

#include "builder/os/fd.h"
#include "builder/os/task_group.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kMaxOutBytes = 1024 * 1024;
constexpr std::size_t kMaxErrBytes = 64 * 1024;
constexpr std::chrono::minutes kMaxSilence{5};
/// The shell's "command not found".
constexpr int kNoProgram = 127;

/// Host keys are those of /etc/ssh/ssh_known_hosts where it knows the host, else whatever the host
/// shows (BuildKit asks the host itself). No key of the daemon's own user is offered.
constexpr const char* kSsh =
    "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new"
    " -o UserKnownHostsFile=/dev/null -o IdentityFile=none -o LogLevel=ERROR"
    " -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

constexpr std::initializer_list<const char*> kPassedOn{
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",       "ALL_PROXY",      "http_proxy",  "https_proxy",
    "no_proxy",   "all_proxy",   "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_DIR"};

using Config = std::vector<std::pair<std::string, std::string>>;

Config config_of(const GitCommand& command) {
  Config config{{"core.hooksPath", "/dev/null"},
                {"core.fsmonitor", "false"},
                {"core.askPass", ""},
                {"credential.helper", ""},
                {"advice.detachedHead", "false"},
                {"init.defaultBranch", "master"},
                {"gc.auto", "0"},
                {"maintenance.auto", "false"},
                {"fetch.recurseSubmodules", "false"},
                {"submodule.recurse", "false"},
                {"safe.directory", "*"},
                {"http.lowSpeedLimit", "1"},
                {"http.lowSpeedTime", "60"}};
  config.insert(config.end(), command.config.begin(), command.config.end());
  return config;
}

std::vector<std::string> environment_of(const GitCommand& command) {
  std::vector<std::string> env{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                               "HOME=/dev/null",
                               "LC_ALL=C",
                               "GIT_CONFIG_NOSYSTEM=1",
                               "GIT_CONFIG_GLOBAL=/dev/null",
                               "GIT_ATTR_NOSYSTEM=1",
                               "GIT_TERMINAL_PROMPT=0",
                               "GIT_ASKPASS=/bin/false",
                               "SSH_ASKPASS=/bin/false",
                               fmt::format("GIT_ALLOW_PROTOCOL=http:https:ssh:git{}",
                                           command.reads_local_paths ? ":file" : ""),
                               fmt::format("GIT_SSH_COMMAND={}", kSsh)};
  for (const char* name : kPassedOn) {
    if (const char* value = std::getenv(name)) env.push_back(fmt::format("{}={}", name, value));
  }
  if (!command.ssh_agent.empty()) env.push_back("SSH_AUTH_SOCK=" + command.ssh_agent.string());
  const Config config = config_of(command);
  env.push_back(fmt::format("GIT_CONFIG_COUNT={}", config.size()));
  for (std::size_t i = 0; i < config.size(); ++i) {
    env.push_back(fmt::format("GIT_CONFIG_KEY_{}={}", i, config[i].first));
    env.push_back(fmt::format("GIT_CONFIG_VALUE_{}={}", i, config[i].second));
  }
  return env;
}

/// By a shell, because a spawned process can be given neither a umask nor a directory otherwise.
std::vector<std::string> arguments_of(const GitCommand& command) {
  const std::string directory = command.work_tree.empty() ? "/" : command.work_tree.string();
  std::vector<std::string> args{"/bin/sh", "-c", "umask 022 && cd \"$0\" && exec git \"$@\"",
                                directory};
  if (!command.git_dir.empty()) args.push_back("--git-dir=" + command.git_dir.string());
  if (!command.work_tree.empty()) args.push_back("--work-tree=" + command.work_tree.string());
  args.insert(args.end(), command.args.begin(), command.args.end());
  return args;
}

/// Passes on whole lines; of one that overwrites itself, the last state.
class LineLog {
 public:
  explicit LineLog(solver::Listener listener) : listener_(std::move(listener)) {}
  void take(std::string_view piece) {
    for (const char c : piece) {
      if (c == '\r') {
        line_.clear();
      } else if (c == '\n') {
        if (!line_.empty()) listener_->log(2, line_ + "\n");
        line_.clear();
      } else if (line_.size() < kMaxErrBytes) {
        line_ += c;
      }
    }
  }

 private:
  solver::Listener listener_;
  std::string line_;
};

/// One git, watched.
class Run {
 public:
  Run(const asio::any_io_executor& executor, const GitCommand& command, solver::Listener listener)
      : out_(os::make_pipe()),
        err_(os::make_pipe()),
        process_(os::Process::spawn(executor,
                                    {arguments_of(command),
                                     environment_of(command),
                                     -1,
                                     out_.write_end.get(),
                                     err_.write_end.get(),
                                     {}})),
        timer_(executor),
        log_(std::move(listener)) {
    out_.write_end = os::Fd();
    err_.write_end = os::Fd();
  }

  asio::awaitable<GitOutput> finish() {
    std::vector<asio::awaitable<void>> tasks;
    tasks.push_back(
        os::read_pipe(std::move(out_.read_end), [this](std::string_view p) { take_out(p); }));
    tasks.push_back(
        os::read_pipe(std::move(err_.read_end), [this](std::string_view p) { take_err(p); }));
    tasks.push_back(wait());
    tasks.push_back(watch());
    co_await os::all_of(std::move(tasks));
    co_return std::move(output_);
  }

 private:
  void take_out(std::string_view piece) {
    heard_ = Clock::now();
    output_.out.append(piece.substr(0, kMaxOutBytes - std::min(kMaxOutBytes, output_.out.size())));
  }
  void take_err(std::string_view piece) {
    heard_ = Clock::now();
    output_.err += piece;
    if (output_.err.size() > 2 * kMaxErrBytes)
      output_.err.erase(0, output_.err.size() - kMaxErrBytes);
    log_.take(piece);
  }

  asio::awaitable<void> wait() {
    output_.status = co_await process_.wait();
    ended_ = true;
    timer_.cancel();
  }

  asio::awaitable<void> watch() {
    while (!ended_) {
      timer_.expires_at(heard_ + kMaxSilence);
      boost::system::error_code error;
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
      if (ended_) co_return;
      if (error) throw boost::system::system_error(error);
      if (Clock::now() >= heard_ + kMaxSilence)
        throw Error(Errc::unavailable, "git: the server said nothing for {} minutes",
                    kMaxSilence.count());
    }
  }

  os::Pipe out_;
  os::Pipe err_;
  os::Process process_;
  asio::steady_timer timer_;
  LineLog log_;
  GitOutput output_;
  Clock::time_point heard_ = Clock::now();
  bool ended_ = false;
};

}  // namespace

std::string GitOutput::cause() const {
  std::string telling;
  std::string last;
  std::string_view rest = err;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    line = line.substr(line.rfind('\r') + 1);
    while (line.ends_with(' '))
      line.remove_suffix(1);
    if (line.empty()) continue;
    last = line;
    for (const std::string_view begin : {"fatal: ", "error: ", "remote: "}) {
      if (!line.starts_with(begin)) continue;
      if (!telling.empty()) telling += "; ";
      telling += begin == "remote: " ? line : line.substr(begin.size());
    }
  }
  if (telling.empty()) telling = last;
  std::erase_if(telling, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (status.signal != 0) return fmt::format("killed by signal {}: {}", status.signal, telling);
  return telling.empty() ? fmt::format("exit code {}", status.code) : telling;
}

asio::awaitable<GitOutput> run_git(GitCommand command, solver::Listener listener) {
  Run run(co_await asio::this_coro::executor, command, std::move(listener));
  GitOutput output = co_await run.finish();
  if (output.status.code == kNoProgram) {
    throw Error(Errc::not_found, "the daemon's host has no git ({}); install the package git",
                output.cause());
  }
  co_return output;
}

asio::awaitable<std::string> must_git(GitCommand command, solver::Listener listener) {
  const std::string verb = command.args.front();
  GitOutput output = co_await run_git(std::move(command), std::move(listener));
  if (!output.status.ok()) throw Error(Errc::unavailable, "git {}: {}", verb, output.cause());
  co_return std::move(output.out);
}

}  // namespace kiln::ops
