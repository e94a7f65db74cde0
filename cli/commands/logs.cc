#include <unistd.h>

#include <charconv>
#include <chrono>
#include <optional>
#include <thread>

#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/interrupts.h"
#include "cli/progress_plain.h"
#include "cli/progress_report.h"
#include "cli/text.h"
#include "proto/build_history.h"

namespace kiln::cli {

namespace {

/// How often a build that runs is asked for more.
constexpr std::chrono::milliseconds kInterval{200};

const char* const kExamples =
    R"(  kiln logs                the log of the last build
  kiln logs -f 3f2a        of a build that runs, until it ends
  kiln logs 3f2a --step 4  what the command of step #4 wrote, and nothing else
)";

/// Shows events as the build's own progress did, or what one step wrote.
class LogView {
 public:
  explicit LogView(std::optional<int> step) : step_(step) {}

  void show(const TimedEvent& timed) {
    if (!step_) {
      const auto at = std::chrono::nanoseconds(timed.at_ns);
      print(
          renderer_.render(timed.event, std::chrono::duration_cast<std::chrono::milliseconds>(at)));
      return;
    }
    const auto* log = std::get_if<StepLog>(&timed.event);
    if (log != nullptr && log->step == *step_)
      print(terminal_ ? sanitize_lines(log->text) : log->text);
  }

 private:
  std::optional<int> step_;
  bool terminal_ = ::isatty(STDOUT_FILENO) == 1;
  PlainRenderer renderer_{terminal_};
};

std::optional<int> parse_step(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text.starts_with('#')) text.remove_prefix(1);
  int step = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (error != std::errc() || end != text.data() + text.size() || step < 1)
    throw UsageError("--step \"{}\": want the number of a step", text);
  return step;
}

}  // namespace

int logs_command(Invocation& invocation) {
  bool follow = false;
  std::string step;
  std::string id;
  CommandLine line(invocation, {"Show the whole log of a build", kExamples});
  line.flag("-f,--follow", follow, "Go on until a build that runs has ended");
  line.option("--step", step, "N", "Only what this step's command wrote");
  line.positional("ID", id, "The build's id, a beginning of it, or latest (the default)",
                  CommandLine::Need::optional);
  if (!line.parse()) return kExitOk;

  LogView view(parse_step(step));
  Client client = make_client(invocation);
  if (id.empty() || id == "latest") {  // the same one for all parts
    const auto builds =
        from_json<std::vector<BuildSummary>>(client.call({.target = "/kiln/v1/builds"}));
    if (!builds.empty()) id = builds.front().id;
  }
  std::uint64_t offset = 0;
  if (id.empty()) id = "latest";  // there is none: the daemon says so
  while (true) {
    const auto part = from_json<BuildLogPart>(
        client.call({.target = fmt::format("/kiln/v1/builds/log?id={}&offset={}",
                                           percent_encode(id), offset)}));
    for (const TimedEvent& event : part.events)
      view.show(event);
    if (part.next_offset > offset) {
      offset = part.next_offset;
      continue;
    }
    if (!follow || !part.running) return kExitOk;
    std::this_thread::sleep_for(kInterval);
  }
}

}  // namespace kiln::cli
