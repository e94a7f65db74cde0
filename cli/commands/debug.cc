#include "cli/commands/debug.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cli/commands/build_secrets.h"
#include "cli/debug_session.h"
#include "cli/errors.h"
#include "cli/text.h"

namespace kiln::cli {

namespace {

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): one thread
  if (value == nullptr) return std::nullopt;
  return value;
}

/// Says where one is, what differs from the step, and what went wrong.
class Remarks final : public Progress {
 public:
  explicit Remarks(bool shell) : shell_(shell) {}

  void event(const BuildEvent& event, std::string_view /*line*/) override {
    if (const auto* started = std::get_if<StepStarted>(&event); started && shell_) {
      say(started->name);
      say("this is what the step left; changes are dropped when the shell ends");
    }
    if (const auto* warning = std::get_if<Warning>(&event)) say(warning->text);
    if (const auto* failed = std::get_if<Failed>(&event)) say(failed->message);
  }

 private:
  static void say(std::string_view text) {
    // The terminal may be in raw mode.
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      write_all(STDERR_FILENO,
                fmt::format("kiln: {}{}\n", terminal ? sanitize(line) : std::string(line),
                            terminal ? "\r" : ""),
                "stderr");
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  bool shell_;
};

}  // namespace

bool has_terminal() {
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
}

int run_debug(Client& client, const DebugFlags& flags) {
  const bool terminal = has_terminal();
  DebugRequest request;
  request.build = flags.build;
  request.command = flags.command;
  DebugSession session(terminal);
  std::vector<int> descriptors;
  session.lend(request, descriptors);
  BuildRequest lent;
  const Lending lending = open_lending(flags.secrets, flags.ssh, environment, lent, descriptors);
  request.descriptors.insert(request.descriptors.end(), lent.descriptors.begin(),
                             lent.descriptors.end());
  Remarks remarks(terminal && flags.command.empty());
  const Outcome outcome = client.follow({.method = "POST",
                                         .target = "/kiln/v1/debug",
                                         .body = to_json(request),
                                         .descriptors = descriptors},
                                        remarks, user_credentials(), &session);
  session.drain();
  const auto* finished = std::get_if<Finished>(&outcome);
  if (finished == nullptr) return kExitFailed;
  const auto code = finished->metadata.find(kExitCodeKey);
  return code == finished->metadata.end() ? kExitFailed : std::atoi(code->second.c_str());
}

int debug_command(Invocation& invocation) {
  DebugFlags flags;
  // What stands behind "--" is the command's own.
  auto& args = invocation.args;
  const auto dashes = std::ranges::find(args, "--");
  if (dashes != args.end()) {
    flags.command.assign(dashes + 1, args.end());
    args.erase(dashes, args.end());
    if (flags.command.empty()) throw UsageError("kiln debug: a command belongs behind --");
  }
  CommandLine line(invocation,
                   {"Open a shell in what a failed RUN left, or run a command in it",
                    "  kiln debug                        the newest failed build\n"
                    "  kiln debug 1a2b                   by the beginning of its id\n"
                    "  kiln debug 1a2b -- cat config.log\n"
                    "  kiln debug < script.sh\n"
                    "\nEnvironment, user, directory, mounts, network and limits are the step's; "
                    "secrets and SSH agents\nare there only when they are passed again. Changes "
                    "are dropped, but those of cache mounts.\nThe exit code is the command's.\n"});
  line.list("--secret", flags.secrets, "id=ID[,src=FILE|,env=VARIABLE]",
            "Lend a secret again (repeatable)");
  line.list("--ssh", flags.ssh, "default|ID[=SOCKET|=KEY[,KEY]]",
            "Lend an SSH agent or keys again (repeatable)");
  line.positional("BUILD", flags.build, "The build's id, or its beginning (default: the newest)",
                  CommandLine::Need::optional);
  if (!line.parse()) return kExitOk;
  Client client = make_client(invocation);
  return run_debug(client, flags);
}

}  // namespace kiln::cli
