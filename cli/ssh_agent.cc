#include "cli/ssh_agent.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "cli/process.h"
#include "proto/error.h"

namespace kiln::cli {

namespace {

/// source: BuildKit session/sshforward/sshprovider, what it reads of a key
constexpr std::size_t kMaxKeyBytes = 100 * 1024;
constexpr std::chrono::seconds kPatience{10};

/// $1 is a directory of our own, which goes too. The agent is setgid, so that the kernel would not
/// tell it of our death (PR_SET_PDEATHSIG).
constexpr const char* kWatch =
    R"(ssh-agent -D -a "$1/agent" & cat; kill $! && wait $!; rm -rf "$1")";

std::string make_directory() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");  // NOLINT(concurrency-mt-unsafe)
  std::string path =
      std::string(runtime && ::access(runtime, W_OK) == 0 ? runtime : "/tmp") + "/kiln-ssh.XXXXXX";
  if (!::mkdtemp(path.data())) throw system_error(errno, "make the directory " + path);
  return path;
}

std::string one_line(std::string text) {
  while (text.ends_with('\n') || text.ends_with('\r'))
    text.pop_back();
  return text;
}

}  // namespace

KeyAgent KeyAgent::start(const std::vector<std::string>& keys) {
  if (!run_process({"ssh-add", "-l"}, "", {"SSH_AUTH_SOCK=/nowhere"}))
    throw Error(Errc::not_found,
                "private keys need ssh-agent and ssh-add, which are not installed (Debian: "
                "openssh-client); or name the socket of an agent");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) throw system_error(errno, "pipe");
  const Fd read_end(ends[0]);
  KeyAgent agent;
  agent.lifeline_ = Fd(ends[1]);
  const std::string directory = make_directory();
  agent.socket_ = directory + "/agent";
  agent.pid_ = spawn_apart({"sh", "-c", kWatch, "sh", directory}, read_end.get());
  agent.wait_until_it_listens();
  for (const std::string& key : keys)
    agent.add(key);
  return agent;
}

KeyAgent::KeyAgent(KeyAgent&& other) noexcept
    : lifeline_(std::move(other.lifeline_)),
      pid_(std::exchange(other.pid_, 0)),
      socket_(std::move(other.socket_)) {}

KeyAgent::~KeyAgent() {
  if (pid_ == 0) return;
  lifeline_ = Fd();
  try {
    wait_for_end(pid_);
  } catch (const Error&) {
    return;  // reaped by somebody else: it has ended
  }
}

void KeyAgent::wait_until_it_listens() const {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (::access(socket_.c_str(), F_OK) < 0) {
    if (std::chrono::steady_clock::now() > deadline)
      throw Error(Errc::unavailable, "ssh-agent does not start");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void KeyAgent::add(const std::string& key) const {
  const Fd file = open_read(key);
  struct stat status{};
  if (::fstat(file.get(), &status) < 0) throw system_error(errno, "stat " + key);
  if (S_ISDIR(status.st_mode)) throw Error(Errc::invalid_input, "{} is a directory", key);
  if (status.st_size > static_cast<off_t>(kMaxKeyBytes))
    throw Error(Errc::invalid_input, "{} is too large for a private key", key);
  // By stdin: a file would have to be readable by nobody else, which docker does not ask for.
  const auto result =
      run_process({"ssh-add", "-q", "-"}, read_all(file.get(), key), {"SSH_AUTH_SOCK=" + socket_});
  if (!result) throw Error(Errc::not_found, "ssh-add is not installed (Debian: openssh-client)");
  if (result->exit_code != 0)
    throw Error(Errc::invalid_input, "{} is neither an agent's socket nor a usable private key: {}",
                key, one_line(result->errors));
}

}  // namespace kiln::cli
