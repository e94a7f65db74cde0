#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cli/commands/commands.h"
#include "cli/credentials.h"
#include "cli/errors.h"
#include "cli/interrupts.h"

namespace kiln::cli {

namespace {

/// Turns the terminal's echo off while it lives.
class NoEcho {
 public:
  NoEcho() {
    if (::tcgetattr(STDIN_FILENO, &before_) < 0) throw system_error(errno, "tcgetattr of stdin");
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) < 0)
      throw system_error(errno, "turn the terminal's echo off");
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  ~NoEcho() { ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_); }

 private:
  termios before_{};
};

/// One line from stdin. ^C arrives as Interrupted, so that a NoEcho around this call is undone.
std::string ask(const char* question) {
  const Interrupts interrupts;
  fmt::print(stderr, "{}: ", question);
  std::string answer;
  for (;;) {
    std::array<pollfd, 2> waiting{{{STDIN_FILENO, POLLIN, 0}, {interrupts.fd(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR)
      throw system_error(errno, "poll");
    interrupts.throw_if_pending();
    if (waiting[0].revents == 0) continue;
    char c = 0;
    const ssize_t count = ::read(STDIN_FILENO, &c, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw UsageError("stdin ended before an answer to \"{}\"", question);
    if (c == '\n') return answer;
    answer += c;
  }
}

std::string ask_silently(const char* question) {
  std::string answer;
  {
    const NoEcho silence;
    answer = ask(question);
  }
  fmt::print(stderr, "\n");
  return answer;
}

std::string password_from_stdin() {
  std::string password = read_all(STDIN_FILENO, "the password from stdin");
  while (password.ends_with('\n') || password.ends_with('\r'))
    password.pop_back();
  return password;
}

}  // namespace

int login_command(Invocation& invocation) {
  Credentials credentials;
  bool from_stdin = false;
  std::string server;
  CommandLine line(
      invocation,
      {"Keep a user name and password for a registry, where docker keeps them",
       "  kiln login                         Docker Hub; asks for both\n"
       "  kiln login -u me ghcr.io           asks for the password\n"
       "  pass registry | kiln login -u me --password-stdin registry.example:5000\n\n"
       "They go to the credential helper that ~/.docker/config.json (or $DOCKER_CONFIG)\n"
       "names, else into that file. The registry is not asked whether they are right:\n"
       "the next pull or push is.\n"});
  line.option("-u,--username", credentials.username, "NAME", "The user name");
  line.option("-p,--password", credentials.password, "PASSWORD",
              "The password; other users may see it: prefer --password-stdin");
  line.flag("--password-stdin", from_stdin, "Read the password from stdin");
  line.positional("REGISTRY", server, "host[:port] (default: Docker Hub)",
                  CommandLine::Need::optional);
  if (!line.parse()) return kExitOk;

  if (from_stdin && !credentials.password.empty())
    throw UsageError("--password and --password-stdin exclude each other");
  if (from_stdin && credentials.username.empty())
    throw UsageError("--password-stdin needs --username");
  const bool asks = credentials.username.empty() || (credentials.password.empty() && !from_stdin);
  if (asks && ::isatty(STDIN_FILENO) != 1)
    throw UsageError("stdin is no terminal to ask on; give --username and --password-stdin");
  if (credentials.username.empty()) credentials.username = ask("Username");
  if (from_stdin) credentials.password = password_from_stdin();
  if (credentials.password.empty() && !from_stdin) credentials.password = ask_silently("Password");
  if (credentials.username.empty()) throw UsageError("the user name is empty");
  if (credentials.password.empty()) throw UsageError("the password is empty");

  const std::string registry = registry_of(server);
  const std::string place = DockerConfig::of_user().store(registry, credentials);
  print(fmt::format("Credentials for {} are in {} (not checked with the registry)\n", registry,
                    place));
  return kExitOk;
}

int logout_command(Invocation& invocation) {
  std::string server;
  CommandLine line(invocation, {"Forget the user name and password for a registry",
                                "  kiln logout\n  kiln logout ghcr.io\n"});
  line.positional("REGISTRY", server, "host[:port] (default: Docker Hub)",
                  CommandLine::Need::optional);
  if (!line.parse()) return kExitOk;
  const std::string registry = registry_of(server);
  const bool erased = DockerConfig::of_user().erase(registry);
  print(fmt::format("{} {}\n", erased ? "Removed credentials for" : "Not logged in to", registry));
  return kExitOk;
}

}  // namespace kiln::cli
