#include "cli/commands/builds.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cli/build_report.h"
#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/explanation.h"
#include "cli/output_file.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/trace.h"

namespace kiln::cli {

namespace {

const char* const kExamples =
    R"(  kiln builds                       all builds, newest first
  kiln builds show                  what the last one was and where its time went
  kiln builds show 3f2a --json      another, by the beginning of its id
  kiln builds explain               why its steps were not cached
  kiln builds trace -o trace.json   for chrome://tracing or ui.perfetto.dev
  kiln builds rm 3f2a 77c0          forget builds and their logs
  kiln logs 3f2a                    the log
)";

const char* const kIdHelp = "The build's id, a beginning of it, or latest (the default)";

std::int64_t now_s() {
  return static_cast<std::int64_t>(std::time(nullptr));
}

std::string pretty(const std::string& json) {
  using Json = nlohmann::ordered_json;
  return Json::parse(json).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

std::string name_of(const BuildSummary& build) {
  if (!build.names.empty())
    return build.names.size() == 1
               ? build.names.front()
               : fmt::format("{} and {} more", build.names.front(), build.names.size() - 1);
  return build.target.empty() ? build.context : build.context + " (" + build.target + ")";
}

std::string table_of(const std::vector<BuildSummary>& builds) {
  std::vector<std::vector<std::string>> rows{
      {"ID", "STATUS", "BEGUN", "TIME", "STEPS", "CACHED", "NAME"}};
  for (const BuildSummary& build : builds)
    rows.push_back({sanitize(build.id), sanitize(build.status),
                    sanitize(human_age(build.started, now_s())),
                    build.duration_ns == 0 ? "" : human_duration(build.duration_ns),
                    fmt::format("{}", build.steps), fmt::format("{}", build.cached_steps),
                    sanitize(first_line(name_of(build)))});
  return format_table(rows);
}

int list(Invocation& invocation) {
  bool json = false;
  std::string format = "table";
  CommandLine line(invocation, {"List builds, newest first; or show one, or remove some:\n"
                                "kiln builds [ls] | show | trace | explain | rm",
                                kExamples});
  line.flag("--json", json, "Print a JSON array");
  line.option("--format", format, "FORMAT", "table or json");
  if (!line.parse()) return kExitOk;
  if (format != "table" && format != "json")
    throw UsageError("--format \"{}\": not one of table, json", format);
  json = json || format == "json";
  const std::string body = make_client(invocation).call({.target = "/kiln/v1/builds"});
  const auto builds = from_json<std::vector<BuildSummary>>(body);
  print(json ? to_json(builds) + "\n" : table_of(builds));
  return kExitOk;
}

int show(Invocation& invocation) {
  bool json = false;
  std::string id;
  CommandLine line(invocation, {"Show what a build was and where its time went",
                                "  kiln builds show\n  kiln builds show 3f2a --json\n"});
  line.flag("--json", json, "Print everything as JSON");
  line.positional("ID", id, kIdHelp, CommandLine::Need::optional);
  if (!line.parse()) return kExitOk;
  Client client = make_client(invocation);
  const BuildDetail detail = fetch_build(client, id);
  if (json) {
    print(pretty(to_json(detail)));
  } else {
    print(build_header(detail.build, now_s()) + "\n" + timings_report(detail));
  }
  return kExitOk;
}

int trace(Invocation& invocation) {
  std::string id;
  std::string file;
  CommandLine line(invocation, {"Write a build's times as a trace for chrome://tracing or Perfetto",
                                "  kiln builds trace -o trace.json\n"});
  line.option("-o,--output", file, "FILE", "Write to a file (default: stdout)");
  line.positional("ID", id, kIdHelp, CommandLine::Need::optional);
  if (!line.parse()) return kExitOk;
  Client client = make_client(invocation);
  const std::string text = chrome_trace(fetch_build(client, id)) + "\n";
  if (file.empty() || file == "-") {
    print(text);
  } else {
    replace_file(file, text, 0644);
  }
  return kExitOk;
}

int explain_build(Invocation& invocation) {
  std::string id;
  bool json = false;
  CommandLine line(invocation, {"Show why the steps of a build were not taken from the cache",
                                "  kiln builds explain\n"});
  line.flag("--json", json, "Print a JSON array");
  line.positional("ID", id, kIdHelp, CommandLine::Need::optional);
  if (!line.parse()) return kExitOk;
  Client client = make_client(invocation);
  const BuildDetail detail = fetch_build(client, id);
  if (json) {
    std::vector<StepExplained> all;
    for (const StepSummary& step : detail.steps) {
      if (step.explained) all.push_back(*step.explained);
    }
    print(to_json(all) + "\n");
    return kExitOk;
  }
  std::string text;
  for (const StepSummary& step : detail.steps) {
    if (!step.explained) continue;
    text += fmt::format("#{} {}\n", step.step, sanitize(step.name));
    for (const std::string& reason : explain(*step.explained))
      text += "   " + reason + "\n";
  }
  print(text.empty() ? "every step was cached\n" : text);
  return kExitOk;
}

int remove(Invocation& invocation) {
  std::vector<std::string> ids;
  CommandLine line(invocation, {"Forget builds and their logs; their images and cache stay",
                                "  kiln builds rm 3f2a 77c0\n"});
  line.positionals("ID", ids, "The builds");
  if (!line.parse()) return kExitOk;
  Client client = make_client(invocation);
  int exit_code = kExitOk;
  for (const std::string& id : ids) {
    try {
      const auto removed = from_json<BuildsRemoved>(
          client.call({.method = "DELETE", .target = "/kiln/v1/builds?id=" + percent_encode(id)}));
      print(fmt::format("Removed: {} ({})\n", id, human_bytes(removed.freed_bytes)));
    } catch (const ConnectionError&) {
      throw;
    } catch (const Error& error) {  // the others are removed all the same
      fmt::print(stderr, "kiln builds rm: {}\n", error.what());
      exit_code = kExitFailed;
    }
  }
  return exit_code;
}

}  // namespace

BuildDetail fetch_build(Client& client, const std::string& id) {
  return from_json<BuildDetail>(client.call(
      {.target = "/kiln/v1/builds/show?id=" + percent_encode(id.empty() ? "latest" : id)}));
}

int builds_command(Invocation& invocation) {
  struct Verb {
    std::string_view name;
    int (*run)(Invocation& invocation);
  };
  static constexpr std::array<Verb, 5> kVerbs{
      {{"ls", list}, {"show", show}, {"trace", trace}, {"explain", explain_build}, {"rm", remove}}};
  if (!invocation.args.empty() && !invocation.args.front().starts_with('-')) {
    const std::string word = invocation.args.front();
    const auto verb = std::ranges::find(kVerbs, word, &Verb::name);
    if (verb == kVerbs.end())
      throw UsageError(
          "kiln builds {}: want ls, show, trace, explain or rm; see 'kiln builds "
          "--help'",
          word);
    invocation.args.erase(invocation.args.begin());
    invocation.name += " " + word;
    return verb->run(invocation);
  }
  return list(invocation);
}

}  // namespace kiln::cli
