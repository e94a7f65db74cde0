// kiln: the command line of the daemon. Finds the command, and turns what it throws into an exit
// code.

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/progress_report.h"

namespace kiln::cli {

namespace {

std::string help() {
  std::string text =
      "Build OCI images from Dockerfiles\n\n"
      "Usage: kiln [--host unix:///PATH] COMMAND [FLAGS] [ARGUMENTS]\n\nCommands:\n";
  for (const Command& command : all_commands())
    text += fmt::format("  {:<10} {}\n", command.name, command.summary);
  return text +
         "\nFlags:\n"
         "  --host unix:///PATH   The daemon's socket (also KILN_HOST)\n"
         "  -h, --help            Print this help\n"
         "  --version             Print the version of kiln\n"
         "\nExamples:\n"
         "  kiln build -t app:1 .             build the Dockerfile in this directory\n"
         "  kiln images                       see what was built\n"
         "  kiln save --format docker app:1 | docker load\n"
         "  kiln push ghcr.io/me/app:1        upload it (after kiln login ghcr.io)\n"
         "\n'kiln COMMAND --help' explains a command. A daemon is started when none runs.\n";
}

/// The flags in front of the command, which they are taken from.
std::string take_host(std::vector<std::string>& args) {
  std::string host;
  while (!args.empty() && args[0].starts_with("--host")) {
    if (args[0].starts_with("--host=")) {
      host = args[0].substr(7);
      args.erase(args.begin());
    } else if (args[0] == "--host" && args.size() > 1) {
      host = args[1];
      args.erase(args.begin(), args.begin() + 2);
    } else {
      throw UsageError("{}: the value is missing", args[0]);
    }
  }
  return host;
}

int run(std::vector<std::string> args) {
  Invocation invocation;
  invocation.host = take_host(args);
  if (args.empty()) {
    fmt::print(stderr, "{}", help());
    return kExitMisuse;
  }
  invocation.name = args[0];
  args.erase(args.begin());
  if (invocation.name == "--version") {
    print(fmt::format("kiln {}\n", KILN_VERSION));
    return kExitOk;
  }
  const bool asks_help =
      invocation.name == "--help" || invocation.name == "-h" || invocation.name == "help";
  if (asks_help && args.empty()) {
    print(help());
    return kExitOk;
  }
  if (invocation.name == "help") {  // "kiln help build"
    invocation.name = args[0];
    args = {"--help"};
  }
  const auto commands = all_commands();
  const auto command = std::ranges::find(commands, invocation.name, &Command::name);
  if (command == commands.end())
    throw UsageError("unknown {} \"{}\"; see 'kiln --help'",
                     invocation.name.starts_with('-') ? "flag" : "command", invocation.name);
  invocation.args = std::move(args);
  return command->run(invocation);
}

void complain(const Error& error) {
  const std::string text = fmt::format("kiln: {}\n", error.what());
  fmt::print(stderr, "{}", ::isatty(STDERR_FILENO) == 1 ? sanitize_lines(text) : text);
}

}  // namespace

int guarded_run(std::vector<std::string> args) {
  try {
    return run(std::move(args));
  } catch (const Interrupted& interrupted) {
    // A terminal has just echoed ^C: what follows begins on a line of its own.
    fmt::print(stderr, "{}kiln: cancelled ({})\n", ::isatty(STDERR_FILENO) == 1 ? "\n" : "",
               ::sigdescr_np(interrupted.signal));
    return 128 + interrupted.signal;
  } catch (const UsageError& error) {
    complain(error);
    return kExitMisuse;
  } catch (const ConnectionError& error) {
    complain(error);
    return kExitNoDaemon;
  } catch (const Error& error) {
    complain(error);
  } catch (const std::exception& error) {
    complain(Error(Errc::internal, "{}", error.what()));
  }
  return kExitFailed;
}

}  // namespace kiln::cli

int main(int argc, char** argv) {
  return kiln::cli::guarded_run({argv + 1, argv + std::max(argc, 1)});
}
