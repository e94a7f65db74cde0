// JSON of events, on the wire and in the history of builds.

#include "proto/build_history.h"
#include "proto/json_fields.h"

namespace kiln {

template <>
struct EnumWords<StepOutcome> {
  static constexpr std::array<std::pair<StepOutcome, std::string_view>, 4> kWords{{
      {StepOutcome::done, "done"},
      {StepOutcome::cached, "cached"},
      {StepOutcome::failed, "failed"},
      {StepOutcome::cancelled, "cancelled"},
  }};
};

template <>
struct EnumWords<Phase> {
  static constexpr std::array<std::pair<Phase, std::string_view>, 10> kWords{{
      {Phase::resolve, "resolve"},
      {Phase::key, "key"},
      {Phase::pull, "pull"},
      {Phase::unpack, "unpack"},
      {Phase::copy, "copy"},
      {Phase::run, "run"},
      {Phase::diff, "diff"},
      {Phase::compress, "compress"},
      {Phase::push, "push"},
      {Phase::output, "output"},
  }};
};

template <>
struct EnumWords<MissReason> {
  static constexpr std::array<std::pair<MissReason, std::string_view>, 4> kWords{{
      {MissReason::first, "first"},
      {MissReason::no_cache, "no_cache"},
      {MissReason::gone, "gone"},
      {MissReason::changed, "changed"},
  }};
};

template <>
struct EnumWords<DifferenceKind> {
  static constexpr std::array<std::pair<DifferenceKind, std::string_view>, 7> kWords{{
      {DifferenceKind::file, "file"},
      {DifferenceKind::variable, "variable"},
      {DifferenceKind::command, "command"},
      {DifferenceKind::image, "image"},
      {DifferenceKind::step, "step"},
      {DifferenceKind::source, "source"},
      {DifferenceKind::setting, "setting"},
  }};
};

template <class Visitor>
void fields(Visitor& visit, BuildStarted& value) {
  visit("build_id", value.build_id);
}

template <class Visitor>
void fields(Visitor& visit, StepStarted& value) {
  visit("step", value.step);
  visit("name", value.name);
}

template <class Visitor>
void fields(Visitor& visit, StepProgress& value) {
  visit("step", value.step);
  visit("item", value.item);
  visit("current_bytes", value.current_bytes);
  visit("total_bytes", value.total_bytes);
}

template <class Visitor>
void fields(Visitor& visit, StepLog& value) {
  visit("step", value.step);
  visit("stream", value.stream);
  visit("text", value.text);
}

template <class Visitor>
void fields(Visitor& visit, StepEnded& value) {
  visit("step", value.step);
  visit("outcome", value.outcome);
  visit("duration_ms", value.duration_ms);
}

template <class Visitor>
void fields(Visitor& visit, StepPhase& value) {
  visit("step", value.step);
  visit("phase", value.phase);
  visit("item", value.item);
  visit("start_ns", value.start_ns);
  visit("duration_ns", value.duration_ns);
  visit("bytes", value.bytes);
}

template <class Visitor>
void fields(Visitor& visit, Difference& value) {
  visit("kind", value.kind);
  visit("name", value.name);
  visit("change", value.change);
  visit("before", value.before);
  visit("after", value.after);
}

template <class Visitor>
void fields(Visitor& visit, StepExplained& value) {
  visit("step", value.step);
  visit("reason", value.reason);
  visit("differences", value.differences);
  visit("more", value.more);
}

template <class Visitor>
void fields(Visitor& visit, Warning& value) {
  visit("text", value.text);
  visit("rule", value.rule);
  visit("message", value.message);
  visit("description", value.description);
  visit("url", value.url);
  visit("file", value.file);
  visit("first_line", value.first_line);
  visit("last_line", value.last_line);
}

template <class Visitor>
void fields(Visitor& visit, CredentialsNeeded& value) {
  visit("ticket", value.ticket);
  visit("registry", value.registry);
}

template <class Visitor>
void fields(Visitor& visit, Finished& value) {
  visit("build_id", value.build_id);
  visit("image_digest", value.image_digest);
  visit("config_digest", value.config_digest);
  visit("names", value.names);
  visit("metadata", value.metadata);
}

template <class Visitor>
void fields(Visitor& visit, Failed& value) {
  visit("code", value.code);
  visit("message", value.message);
  visit("step", value.step);
  visit("exit_code", value.exit_code);
  visit("log_tail", value.log_tail);
}

template <class Visitor>
void fields(Visitor& visit, BuildSummary& value) {
  visit("id", value.id);
  visit("status", value.status);
  visit("context", value.context);
  visit("target", value.target);
  visit("names", value.names);
  visit("image_digest", value.image_digest);
  visit("error", value.error);
  visit("started", value.started);
  visit("duration_ns", value.duration_ns);
  visit("steps", value.steps);
  visit("cached_steps", value.cached_steps);
}

template <>
constexpr bool kHasAllFields<BuildSummary> = true;

template <class Visitor>
void fields(Visitor& visit, StepSummary& value) {
  visit("step", value.step);
  visit("name", value.name);
  visit("outcome", value.outcome);
  visit("start_ns", value.start_ns);
  visit("duration_ns", value.duration_ns);
  visit("explained", value.explained);
  visit("phases", value.phases);
}

template <class Visitor>
void fields(Visitor& visit, BuildDetail& value) {
  visit("build", value.build);
  visit("steps", value.steps);
  visit("phases", value.phases);
}

template <class Visitor>
void fields(Visitor& visit, BuildsRemoved& value) {
  visit("builds", value.builds);
  visit("freed_bytes", value.freed_bytes);
}

namespace {

/// The "event" word of each event type, in the order of the variant.
constexpr std::array<std::string_view, std::variant_size_v<BuildEvent>> kEventNames{
    "build_started",  "step_started", "step_progress",      "step_log", "step_ended", "step_phase",
    "step_explained", "warning",      "credentials_needed", "finished", "failed"};

template <std::size_t Index = 0>
BuildEvent read_event(const Json& json, std::string_view name) {
  if constexpr (Index == std::variant_size_v<BuildEvent>) {
    throw Error(Errc::invalid_input, "unknown event \"{}\"", name);
  } else {
    if (name != kEventNames[Index]) return read_event<Index + 1>(json, name);
    std::variant_alternative_t<Index, BuildEvent> event;
    read(json, "event", event);
    return event;
  }
}

BuildEvent to_event(const Json& json) {
  std::string name;
  if (!json.is_object() || !json.contains("event")) refuse("event");
  read(json["event"], "event", name);
  return read_event(json, name);
}

Json to_object(const BuildEvent& value) {
  Json json{{"event", kEventNames[value.index()]}};
  std::visit([&](const auto& event) { json.update(write(event)); }, value);
  return json;
}

TimedEvent to_timed_event(const Json& json) {
  TimedEvent timed{0, to_event(json)};
  if (json.contains("at_ns")) read(json["at_ns"], "at_ns", timed.at_ns);
  return timed;
}

}  // namespace

std::string_view to_word(StepOutcome outcome) {
  return word_of(outcome);
}
std::string_view to_word(Phase phase) {
  return word_of(phase);
}

std::string to_json(const BuildEvent& value) {
  return dump(to_object(value));
}

std::string to_json(const TimedEvent& value) {
  Json json = to_object(value.event);
  json["at_ns"] = value.at_ns;
  return dump(json);
}

std::string to_json(const std::vector<BuildSummary>& value) {
  return dump(write(value));
}
std::string to_json(const BuildDetail& value) {
  return dump(write(value));
}
std::string to_json(const BuildsRemoved& value) {
  return dump(write(value));
}

std::string to_json(const std::vector<StepExplained>& value) {
  return dump(write(value));
}

std::string build_log_part_json(std::uint64_t next_offset, bool running, std::string_view lines) {
  std::string json =
      fmt::format(R"({{"next_offset":{},"running":{},"events":[)", next_offset, running);
  json.reserve(json.size() + lines.size() + 2);
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    if (json.back() != '[') json += ',';
    json += lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return json + "]}";
}

template <>
BuildEvent from_json<BuildEvent>(std::string_view text) {
  return to_event(parse(text));
}

template <>
TimedEvent from_json<TimedEvent>(std::string_view text) {
  return to_timed_event(parse(text));
}

template <>
BuildLogPart from_json<BuildLogPart>(std::string_view text) {
  const Json json = parse(text);
  if (!json.is_object() || !json.contains("events") || !json["events"].is_array()) refuse("events");
  BuildLogPart part;
  Reader reader{json};
  reader("next_offset", part.next_offset);
  reader("running", part.running);
  for (const Json& event : json["events"])
    part.events.push_back(to_timed_event(event));
  return part;
}

template <>
std::vector<BuildSummary> from_json<std::vector<BuildSummary>>(std::string_view text) {
  std::vector<BuildSummary> value;
  read(parse(text), "message", value);
  return value;
}

template <>
BuildDetail from_json<BuildDetail>(std::string_view text) {
  BuildDetail value;
  read(parse(text), "message", value);
  return value;
}

template <>
BuildsRemoved from_json<BuildsRemoved>(std::string_view text) {
  BuildsRemoved value;
  read(parse(text), "message", value);
  return value;
}

}  // namespace kiln
