#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/progress.h"
#include "cli/text.h"

namespace kiln::cli {

namespace {

using Finding = FsckReport::Finding;

bool is_left(const Finding& finding) {
  return !finding.repaired && finding.kind != "orphan";
}

void print_finding(const Finding& finding) {
  constexpr std::size_t kShown = 5;
  print(fmt::format("{} {}: {}{}\n", sanitize(finding.kind), sanitize(finding.name),
                    sanitize(finding.problem), finding.repaired ? " (dropped)" : ""));
  for (std::size_t i = 0; i < std::min(kShown, finding.affects.size()); ++i)
    print(fmt::format("  affects {}\n", sanitize(finding.affects[i])));
  if (finding.affects.size() > kShown)
    print(fmt::format("  and {} more\n", finding.affects.size() - kShown));
}

void print_report(const FsckReport& report, std::ptrdiff_t left) {
  for (const std::string& sentence : report.checked)
    print(sanitize(sentence) + "\n");
  std::ranges::for_each(report.findings, print_finding);
  if (report.findings.empty()) {
    print("Everything is sound\n");
  } else if (left > 0) {
    print(fmt::format(
        "{} of {} findings are left; `kiln fsck --repair` drops what is broken, so that "
        "the next build makes it again\n",
        left, report.findings.size()));
  }
}

}  // namespace

int fsck_command(Invocation& invocation) {
  FsckRequest message;
  bool json = false;
  std::string mode = "auto";
  CommandLine line(invocation,
                   {"Check that everything in the store is what it should be",
                    "  kiln fsck            exit code 1 when something is broken\n"
                    "  kiln fsck --repair   drop what is broken; what needs it is made again\n"});
  line.flag("--repair", message.repair, "Drop what is broken");
  line.flag("--json", json, "Print the report as JSON");
  line.option("--progress", mode, "MODE", "auto, tty, plain or quiet");
  if (!line.parse()) return kExitOk;
  ProgressOptions options{.title = "Checking"};
  options.mode = parse_progress_mode(mode);
  const auto progress = make_progress(options);
  Client client = make_client(invocation);
  const Request request{.method = "POST", .target = "/kiln/v1/fsck", .body = to_json(message)};
  Outcome outcome = client.follow(request, *progress, user_credentials());
  const auto* finished = std::get_if<Finished>(&outcome);
  if (finished == nullptr) return kExitFailed;
  const std::string& text = finished->metadata.at("fsck");
  const auto report = from_json<FsckReport>(text);
  const std::ptrdiff_t left = std::ranges::count_if(report.findings, is_left);
  if (json) {
    print(text + "\n");
  } else {
    print_report(report, left);
  }
  return left > 0 ? kExitFailed : kExitOk;
}

}  // namespace kiln::cli
