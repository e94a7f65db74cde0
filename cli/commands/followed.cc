#include "cli/commands/followed.h"

namespace kiln::cli {

void declare(CommandLine& line, ProgressFlags& flags) {
  line.option("--progress", flags.mode, "MODE",
              "auto, tty, plain, json (events on stdout) or quiet");
  line.flag("-q,--quiet", flags.quiet, "Print the result and nothing else");
}

/// Asks, shows the events and returns the last one; nullopt when it is Failed.
std::optional<Finished> follow(const Invocation& invocation,
                               const ProgressFlags& flags,
                               const ProgressOptions& more,
                               const Request& request) {
  ProgressOptions options = more;
  options.mode = flags.quiet ? ProgressMode::quiet : parse_progress_mode(flags.mode);
  const auto progress = make_progress(options);
  Client client = make_client(invocation, options.mode == ProgressMode::quiet);
  Outcome outcome = client.follow(request, *progress, user_credentials());
  if (auto* finished = std::get_if<Finished>(&outcome)) return std::move(*finished);
  return std::nullopt;
}

}  // namespace kiln::cli
