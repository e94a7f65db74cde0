#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/commands/build_files.h"
#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/progress_report.h"
#include "cli/text.h"

namespace kiln::cli {

namespace {

const char* const kExamples =
    R"(  kiln context ls .                  what COPY . would copy: sizes, paths, the total
  kiln context ls --why .            also what is left out, and by which line of .dockerignore
  kiln context ls -f docker/Dockerfile .   with docker/Dockerfile.dockerignore, if there is one
  kiln context ls --json . | jq 'select(.kept)'
)";

struct ListOptions {
  std::string context;
  std::string file;
  bool why = false;
  bool json = false;
};

/// Shows the lines of the listing as they come.
class Listing final : public Progress {
 public:
  explicit Listing(const ListOptions& options) : options_(options) {}

  void event(const BuildEvent& event, std::string_view /*line*/) override {
    if (const auto* log = std::get_if<StepLog>(&event)) add(log->text);
    if (const auto* warning = std::get_if<Warning>(&event))
      fmt::print(stderr, "WARNING: {}\n", sanitize_lines(warning->text));
    if (const auto* failed = std::get_if<Failed>(&event))
      fmt::print(stderr, "{}", failure_report(*failed, {}));
  }

 private:
  /// Events are cut at the ends of lines.
  void add(std::string_view text) {
    std::string shown;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = text.substr(0, end);
      shown += options_.json ? raw(line) : describe(line);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    print(shown);
  }

  /// Names may hold anything: a terminal gets none of its control sequences.
  static std::string raw(std::string_view line) {
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    return (terminal ? sanitize(line) : std::string(line)) + "\n";
  }

  [[nodiscard]] std::string describe(std::string_view line) const {
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object()) throw Error(Errc::internal, "the daemon's listing cannot be read");
    const bool kept = entry.value("kept", false);
    if (!kept && !options_.why) return "";
    const bool is_directory = entry.value("type", "") == "directory";
    const std::string size = entry.contains("size_bytes")
                                 ? human_bytes(entry.value("size_bytes", std::uint64_t{0}))
                                 : "";
    std::string text = fmt::format("{}{:>9}  {}{}", options_.why ? (kept ? "+ " : "- ") : "", size,
                                   sanitize(entry.value("path", "")), is_directory ? "/" : "");
    if (options_.why && entry.contains("pattern")) text += reason(entry, kept);
    return text + "\n";
  }

  static std::string reason(const nlohmann::json& entry, bool kept) {
    const std::string pattern = entry.value("pattern", "");
    const std::string place = sanitize(entry.value("place", "")) + ": " + sanitize(pattern);
    if (kept && !pattern.starts_with('!')) return "   (kept for what is below it; " + place + ")";
    return "   (" + place + (entry.value("whole", false) ? ", and all below it)" : ")");
  }

  const ListOptions& options_;
};

std::string total_of(const Finished& finished, const ListOptions& options) {
  const auto number = [&finished](const char* name) {
    const auto found = finished.metadata.find(name);
    return found == finished.metadata.end() ? std::string("0") : found->second;
  };
  if (options.json) {
    return fmt::format("{{\"files\":{},\"size_bytes\":{},\"left_out\":{}}}\n", number("files"),
                       number("size_bytes"), number("left_out"));
  }
  std::string text =
      fmt::format("{} file{}, {}", number("files"), number("files") == "1" ? "" : "s",
                  human_bytes(std::stoull(number("size_bytes"))));
  if (number("left_out") != "0") {
    text += fmt::format("; left out: {}{}", number("left_out"),
                        options.why ? "" : " (--why shows them)");
  }
  return text + "\n";
}

int list(Invocation& invocation) {
  ListOptions options;
  CommandLine line(invocation, {"Show what a build sees of its context", kExamples});
  line.option("-f,--file", options.file, "FILE",
              "The Dockerfile, whose own .dockerignore takes the place of the context's");
  line.flag("--why", options.why, "Show what is left out too, and the pattern that decides");
  line.flag("--json", options.json, "Print a JSON object a line, the totals in the last");
  line.positional("CONTEXT", options.context, "The directory, or - for an archive on stdin");
  if (!line.parse()) return kExitOk;

  BuildRequest request;
  request.context_name = options.context;
  const BuildFiles files = open_listing_files(request, options.file);
  Listing listing(options);
  const Outcome outcome = make_client(invocation)
                              .follow({.method = "POST",
                                       .target = "/kiln/v1/contexts/list",
                                       .body = to_json(request),
                                       .descriptors = files.descriptors},
                                      listing, user_credentials());
  const auto* finished = std::get_if<Finished>(&outcome);
  if (finished == nullptr) return kExitFailed;
  print(total_of(*finished, options));
  return kExitOk;
}

}  // namespace

int context_command(Invocation& invocation) {
  const bool asks_help =
      !invocation.args.empty() && (invocation.args[0] == "--help" || invocation.args[0] == "-h");
  if (!asks_help) {
    if (invocation.args.empty() || invocation.args[0] != "ls") {
      throw UsageError("kiln context {}: the only one is 'kiln context ls CONTEXT'",
                       invocation.args.empty() ? "" : invocation.args[0]);
    }
    invocation.args.erase(invocation.args.begin());
  }
  invocation.name = "context ls";
  return list(invocation);
}

}  // namespace kiln::cli
