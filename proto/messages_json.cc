// JSON of the messages. Each type lists its fields once, in fields(); Writer and Reader walk that
// list, so that what is written and what is read cannot drift apart.
//
// Empty fields are not written; unknown fields are ignored, so that either side may be newer.

#include <array>
#include <concepts>
#include <nlohmann/json.hpp>
#include <utility>

#include "proto/messages.h"

namespace kiln {

namespace {

using Json = nlohmann::ordered_json;

template <class Visitor>
void fields(Visitor& visit, Output& value) {
  visit("type", value.type);
  visit("attributes", value.attributes);
}

template <class Visitor>
void fields(Visitor& visit, CacheOption& value) {
  visit("type", value.type);
  visit("attributes", value.attributes);
}

template <class Visitor>
void fields(Visitor& visit, BuildRequest& value) {
  visit("call", value.call);
  visit("tags", value.tags);
  visit("context_name", value.context_name);
  visit("dockerfile_name", value.dockerfile_name);
  visit("named_contexts", value.named_contexts);
  visit("target", value.target);
  visit("build_args", value.build_args);
  visit("labels", value.labels);
  visit("platforms", value.platforms);
  visit("outputs", value.outputs);
  visit("push", value.push);
  visit("pull", value.pull);
  visit("no_cache", value.no_cache);
  visit("no_cache_stages", value.no_cache_stages);
  visit("network", value.network);
  visit("add_hosts", value.add_hosts);
  visit("ulimits", value.ulimits);
  visit("shm_size_bytes", value.shm_size_bytes);
  visit("allow", value.allow);
  visit("cache_from", value.cache_from);
  visit("cache_to", value.cache_to);
  visit("descriptors", value.descriptors);
}

template <class Visitor>
void fields(Visitor& visit, TransferRequest& value) {
  visit("reference", value.reference);
  visit("platform", value.platform);
}

template <class Visitor>
void fields(Visitor& visit, SaveRequest& value) {
  visit("references", value.references);
  visit("format", value.format);
  visit("descriptors", value.descriptors);
  visit("archive_name", value.archive_name);
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
void fields(Visitor& visit, Credentials& value) {
  visit("username", value.username);
  visit("password", value.password);
  visit("identity_token", value.identity_token);
}

template <class Visitor>
void fields(Visitor& visit, ImageSummary& value) {
  visit("reference", value.reference);
  visit("digest", value.digest);
  visit("config_digest", value.config_digest);
  visit("platform", value.platform);
  visit("size_bytes", value.size_bytes);
  visit("created", value.created);
}

template <class Visitor>
void fields(Visitor& visit, HistoryRow& value) {
  visit("created", value.created);
  visit("created_by", value.created_by);
  visit("comment", value.comment);
  visit("size_bytes", value.size_bytes);
  visit("empty_layer", value.empty_layer);
}

template <class Visitor>
void fields(Visitor& visit, DiskUsage::Row& value) {
  visit("kind", value.kind);
  visit("count", value.count);
  visit("size_bytes", value.size_bytes);
  visit("reclaimable_bytes", value.reclaimable_bytes);
}

template <class Visitor>
void fields(Visitor& visit, DiskUsage& value) {
  visit("rows", value.rows);
}

template <class Visitor>
void fields(Visitor& visit, PruneRequest& value) {
  visit("all", value.all);
}

template <class Visitor>
void fields(Visitor& visit, PruneReport& value) {
  visit("records", value.records);
  visit("freed_bytes", value.freed_bytes);
}

template <class Visitor>
void fields(Visitor& visit, VersionInfo& value) {
  visit("version", value.version);
  visit("api_version", value.api_version);
}

template <class Visitor>
void fields(Visitor& visit, DaemonInfo& value) {
  visit("entries", value.entries);
}

template <class Visitor>
void fields(Visitor& visit, ErrorReply& value) {
  visit("code", value.code);
  visit("message", value.message);
}

constexpr std::array<std::pair<StepOutcome, std::string_view>, 4> kOutcomes{{
    {StepOutcome::done, "done"},
    {StepOutcome::cached, "cached"},
    {StepOutcome::failed, "failed"},
    {StepOutcome::cancelled, "cancelled"},
}};

template <class T>
constexpr bool kIsOptional = false;
template <class T>
constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
concept Scalar = std::integral<T> || std::same_as<T, std::string>;

template <class T>
Json write(const T& value);

/// Rows that commands print for scripts: these find every field in each of them.
template <class T>
constexpr bool kHasAllFields =
    std::same_as<T, ImageSummary> || std::same_as<T, HistoryRow> || std::same_as<T, DiskUsage::Row>;

/// Writes the fields of one object, leaving out what is empty unless `all` are wanted.
struct Writer {
  bool all = false;
  Json object = Json::object();

  template <class T>
  void operator()(const char* name, const T& value) {
    if constexpr (kIsOptional<T>) {
      if (value) object[name] = write(*value);
    } else if constexpr (std::is_enum_v<T>) {
      object[name] = write(value);
    } else if constexpr (std::integral<T>) {
      if (all || value != T{}) object[name] = value;
    } else {
      if (all || !value.empty()) object[name] = write(value);
    }
  }
};

template <class T>
Json write(const T& value) {
  if constexpr (Scalar<T> || std::same_as<T, std::map<std::string, std::string>> ||
                std::same_as<T, std::vector<std::pair<std::string, std::string>>>) {
    return value;
  } else if constexpr (std::same_as<T, Errc>) {
    return to_word(value);
  } else if constexpr (std::same_as<T, StepOutcome>) {
    return kOutcomes[static_cast<std::size_t>(value)].second;
  } else if constexpr (requires { value.begin(); }) {
    Json array = Json::array();
    for (const auto& item : value)
      array.push_back(write(item));
    return array;
  } else {
    Writer writer{.all = kHasAllFields<T>};
    fields(writer,
           const_cast<T&>(value));  // NOLINT: fields() serves both directions, Writer only reads
    return std::move(writer.object);
  }
}

[[noreturn]] void refuse(std::string_view name) {
  throw Error(Errc::invalid_input, "message field \"{}\" has the wrong type", name);
}

template <class T>
void read(const Json& json, std::string_view name, T& value);

/// Reads the fields of one object; what is missing keeps its default.
struct Reader {
  const Json& object;

  template <class T>
  void operator()(const char* name, T& value) {
    const auto found = object.find(name);
    if (found != object.end() && !found->is_null()) read(*found, name, value);
  }
};

void read_enum(const Json& json, std::string_view name, Errc& value) {
  const std::string word = json.is_string() ? json.get<std::string>() : "";
  for (int code = 1; code <= static_cast<int>(Errc::internal); ++code) {
    if (to_word(static_cast<Errc>(code)) == word) {
      value = static_cast<Errc>(code);
      return;
    }
  }
  refuse(name);
}

void read_enum(const Json& json, std::string_view name, StepOutcome& value) {
  const std::string word = json.is_string() ? json.get<std::string>() : "";
  for (const auto& [outcome, text] : kOutcomes) {
    if (text == word) {
      value = outcome;
      return;
    }
  }
  refuse(name);
}

template <class T>
void read(const Json& json, std::string_view name, T& value) {
  if constexpr (kIsOptional<T>) {
    read(json, name, value.emplace());
  } else if constexpr (std::is_enum_v<T>) {
    read_enum(json, name, value);
  } else if constexpr (std::same_as<T, bool>) {
    if (!json.is_boolean()) refuse(name);
    value = json.get<bool>();
  } else if constexpr (std::integral<T>) {
    if (!json.is_number_integer()) refuse(name);
    const bool fits = json.is_number_unsigned() ? std::in_range<T>(json.get<std::uint64_t>())
                                                : std::in_range<T>(json.get<std::int64_t>());
    if (!fits) refuse(name);
    value = json.get<T>();
  } else if constexpr (std::same_as<T, std::string>) {
    if (!json.is_string()) refuse(name);
    value = json.get<std::string>();
  } else if constexpr (std::same_as<T, std::map<std::string, std::string>>) {
    if (!json.is_object()) refuse(name);
    for (const auto& [key, item] : json.items())
      read(item, name, value[key]);
  } else if constexpr (std::same_as<T, std::pair<std::string, std::string>>) {
    if (!json.is_array() || json.size() != 2) refuse(name);
    read(json[0], name, value.first);
    read(json[1], name, value.second);
  } else if constexpr (requires { value.emplace_back(); }) {
    if (!json.is_array()) refuse(name);
    for (const Json& item : json)
      read(item, name, value.emplace_back());
  } else {
    if (!json.is_object()) refuse(name);
    Reader reader{json};
    fields(reader, value);
  }
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json parse(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error(Errc::invalid_input, "the message is not valid JSON");
  return json;
}

/// The "event" word of each event type, in the order of the variant.
constexpr std::array<std::string_view, std::variant_size_v<BuildEvent>> kEventNames{
    "step_started", "step_progress",      "step_log", "step_ended",
    "warning",      "credentials_needed", "finished", "failed"};

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

}  // namespace

std::string to_json(const BuildRequest& value) {
  return dump(write(value));
}
std::string to_json(const TransferRequest& value) {
  return dump(write(value));
}
std::string to_json(const SaveRequest& value) {
  return dump(write(value));
}
std::string to_json(const Credentials& value) {
  return dump(write(value));
}
std::string to_json(const std::vector<ImageSummary>& value) {
  return dump(write(value));
}
std::string to_json(const std::vector<HistoryRow>& value) {
  return dump(write(value));
}
std::string to_json(const DiskUsage& value) {
  return dump(write(value));
}
std::string to_json(const PruneRequest& value) {
  return dump(write(value));
}
std::string to_json(const PruneReport& value) {
  return dump(write(value));
}
std::string to_json(const VersionInfo& value) {
  return dump(write(value));
}
std::string to_json(const DaemonInfo& value) {
  return dump(write(value));
}
std::string to_json(const ErrorReply& value) {
  return dump(write(value));
}

std::string to_json(const BuildEvent& value) {
  Json json{{"event", kEventNames[value.index()]}};
  std::visit([&](const auto& event) { json.update(write(event)); }, value);
  return dump(json);
}

template <class T>
T from_json(std::string_view text) {
  T value;
  read(parse(text), "message", value);
  return value;
}

template <>
BuildEvent from_json<BuildEvent>(std::string_view text) {
  const Json json = parse(text);
  std::string name;
  if (!json.is_object() || !json.contains("event")) refuse("event");
  read(json["event"], "event", name);
  return read_event(json, name);
}

template BuildRequest from_json(std::string_view);
template TransferRequest from_json(std::string_view);
template SaveRequest from_json(std::string_view);
template Credentials from_json(std::string_view);
template std::vector<ImageSummary> from_json(std::string_view);
template std::vector<HistoryRow> from_json(std::string_view);
template DiskUsage from_json(std::string_view);
template PruneRequest from_json(std::string_view);
template PruneReport from_json(std::string_view);
template VersionInfo from_json(std::string_view);
template DaemonInfo from_json(std::string_view);
template ErrorReply from_json(std::string_view);

}  // namespace kiln
