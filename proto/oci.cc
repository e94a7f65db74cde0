#include "proto/oci.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "proto/error.h"
#include "proto/json_shape.h"

namespace kiln::oci {

namespace {

// Ordered, so that documents keep the order of fields that the specification and Docker use.
using Json = nlohmann::ordered_json;

Json parse_document(std::string_view text, std::string_view what) {
  if (text.size() > kMaxDocumentBytes) {
    throw Error(Errc::corrupt, "{}: {} bytes, over the limit of {}", what, text.size(),
                kMaxDocumentBytes);
  }
  check_json_shape(text, what);
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw Error(Errc::corrupt, "{}: not a JSON object", what);
  return json;
}

const Json* find(const Json& object, std::string_view key) {
  const auto found = object.find(std::string(key));
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

[[noreturn]] void wrong_type(std::string_view key, std::string_view want) {
  throw Error(Errc::corrupt, "field \"{}\": not {}", key, want);
}

std::string text(const Json& object, std::string_view key) {
  const Json* value = find(object, key);
  if (!value) return {};
  if (!value->is_string()) wrong_type(key, "a string");
  return value->get<std::string>();
}

template <class Integer>
Integer integer(const Json& object, std::string_view key) {
  const Json* value = find(object, key);
  if (!value) return 0;
  if (!value->is_number_integer()) wrong_type(key, "an integer");
  const bool fits = value->is_number_unsigned()
                        ? std::in_range<Integer>(value->get<std::uint64_t>())
                        : std::in_range<Integer>(value->get<std::int64_t>());
  if (!fits) wrong_type(key, std::is_unsigned_v<Integer> ? "a size" : "an integer that fits");
  return value->get<Integer>();
}

bool boolean(const Json& object, std::string_view key) {
  const Json* value = find(object, key);
  if (!value) return false;
  if (!value->is_boolean()) wrong_type(key, "a boolean");
  return value->get<bool>();
}

const Json* member(const Json& object, std::string_view key, bool array) {
  const Json* value = find(object, key);
  if (value && (array ? !value->is_array() : !value->is_object())) {
    wrong_type(key, array ? "an array" : "an object");
  }
  return value;
}

std::optional<std::vector<std::string>> strings(const Json& object, std::string_view key) {
  const Json* list = member(object, key, true);
  if (!list) return std::nullopt;
  std::vector<std::string> result;
  for (const Json& item : *list) {
    if (!item.is_string()) wrong_type(key, "an array of strings");
    result.push_back(item.get<std::string>());
  }
  return result;
}

std::map<std::string, std::string> string_map(const Json& object, std::string_view key) {
  std::map<std::string, std::string> result;
  const Json* entries = member(object, key, false);
  if (!entries) return result;
  for (const auto& [name, value] : entries->items()) {
    if (!value.is_string()) wrong_type(key, "an object of strings");
    result.emplace(name, value.get<std::string>());
  }
  return result;
}

/// The keys of a set written as {"a": {}, "b": {}}, sorted.
std::vector<std::string> key_set(const Json& object, std::string_view key) {
  std::vector<std::string> result;
  if (const Json* entries = member(object, key, false)) {
    for (const auto& [name, value] : entries->items())
      result.push_back(name);
  }
  std::ranges::sort(result);
  return result;
}

Digest digest(const Json& object, std::string_view key) {
  const std::string value = text(object, key);
  try {
    return Digest::parse(value);
  } catch (const Error& error) {
    throw Error(Errc::corrupt, "field \"{}\": {}", key, error.what());
  }
}

Platform parse_platform(const Json& json) {
  Platform platform{text(json, "os"), text(json, "architecture"), text(json, "variant"),
                    text(json, "os.version")};
  // Written platforms are compared with asked-for ones: bring both to one form.
  const bool plain = (platform.os + platform.architecture + platform.variant).find('/') ==
                     std::string::npos;  // else the parts would be cut anew
  if (plain && !platform.os.empty() && !platform.architecture.empty()) {
    try {
      const std::string version = platform.os_version;
      platform = Platform::parse(platform.str());
      platform.os_version = version;
    } catch (const Error&) {
      return platform;  // "unknown/unknown" of attestations, or a future name: matches nothing
    }
  }
  return platform;
}

Descriptor parse_descriptor(const Json& json) {
  if (!json.is_object()) throw Error(Errc::corrupt, "a descriptor is not an object");
  Descriptor descriptor{text(json, "mediaType"),
                        digest(json, "digest"),
                        integer<std::uint64_t>(json, "size"),
                        string_map(json, "annotations"),
                        {}};
  if (const Json* platform = member(json, "platform", false)) {
    descriptor.platform = parse_platform(*platform);
  }
  return descriptor;
}

Json to_object(const Descriptor& descriptor) {
  Json json{{"mediaType", descriptor.media_type},
            {"digest", descriptor.digest.str()},
            {"size", descriptor.size_bytes}};
  if (!descriptor.annotations.empty()) json["annotations"] = descriptor.annotations;
  if (descriptor.platform) {
    const Platform& platform = *descriptor.platform;
    json["platform"] = {{"architecture", platform.architecture}, {"os", platform.os}};
    if (!platform.os_version.empty()) json["platform"]["os.version"] = platform.os_version;
    if (!platform.variant.empty()) json["platform"]["variant"] = platform.variant;
  }
  return json;
}

Json to_set(const std::vector<std::string>& keys) {
  Json json = Json::object();
  for (const std::string& key : keys)
    json[key] = Json::object();
  return json;
}

Healthcheck parse_healthcheck(const Json& json) {
  return {strings(json, "Test").value_or(std::vector<std::string>{}),
          integer<std::int64_t>(json, "Interval"),
          integer<std::int64_t>(json, "Timeout"),
          integer<std::int64_t>(json, "StartPeriod"),
          integer<std::int64_t>(json, "StartInterval"),
          integer<int>(json, "Retries")};
}

Json to_object(const Healthcheck& check) {
  Json json = Json::object();
  if (!check.test.empty()) json["Test"] = check.test;
  if (check.interval_ns != 0) json["Interval"] = check.interval_ns;
  if (check.timeout_ns != 0) json["Timeout"] = check.timeout_ns;
  if (check.start_period_ns != 0) json["StartPeriod"] = check.start_period_ns;
  if (check.start_interval_ns != 0) json["StartInterval"] = check.start_interval_ns;
  if (check.retries != 0) json["Retries"] = check.retries;
  return json;
}

ContainerConfig parse_container(const Json& json) {
  ContainerConfig config;
  config.user = text(json, "User");
  config.exposed_ports = key_set(json, "ExposedPorts");
  config.env = strings(json, "Env").value_or(std::vector<std::string>{});
  config.entrypoint = strings(json, "Entrypoint");
  config.cmd = strings(json, "Cmd");
  config.volumes = key_set(json, "Volumes");
  config.working_dir = text(json, "WorkingDir");
  config.labels = string_map(json, "Labels");
  config.stop_signal = text(json, "StopSignal");
  config.shell = strings(json, "Shell");
  if (const Json* check = member(json, "Healthcheck", false)) {
    config.healthcheck = parse_healthcheck(*check);
  }
  config.on_build = strings(json, "OnBuild").value_or(std::vector<std::string>{});
  config.args_escaped = boolean(json, "ArgsEscaped");
  return config;
}

Json to_object(const ContainerConfig& config) {
  Json json = Json::object();
  if (!config.user.empty()) json["User"] = config.user;
  if (!config.exposed_ports.empty()) json["ExposedPorts"] = to_set(config.exposed_ports);
  if (!config.env.empty()) json["Env"] = config.env;
  // Docker and BuildKit leave an empty list out: "CMD []" is no "Cmd".
  const auto set_list = [&json](const char* key, const auto& list) {
    if (list && !list->empty()) json[key] = *list;
  };
  set_list("Entrypoint", config.entrypoint);
  set_list("Cmd", config.cmd);
  if (config.healthcheck) json["Healthcheck"] = to_object(*config.healthcheck);
  if (!config.volumes.empty()) json["Volumes"] = to_set(config.volumes);
  if (!config.working_dir.empty()) json["WorkingDir"] = config.working_dir;
  if (!config.on_build.empty()) json["OnBuild"] = config.on_build;
  if (!config.labels.empty()) json["Labels"] = config.labels;
  if (!config.stop_signal.empty()) json["StopSignal"] = config.stop_signal;
  set_list("Shell", config.shell);
  if (config.args_escaped) json["ArgsEscaped"] = true;
  return json;
}

Json to_object(const HistoryEntry& entry) {
  Json json = Json::object();
  if (!entry.created.empty()) json["created"] = entry.created;
  if (!entry.created_by.empty()) json["created_by"] = entry.created_by;
  if (!entry.author.empty()) json["author"] = entry.author;
  if (!entry.comment.empty()) json["comment"] = entry.comment;
  if (entry.empty_layer) json["empty_layer"] = true;
  return json;
}

/// A file name is bytes; JSON is UTF-8: what is not gets the replacement character.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void check_schema_version(const Json& json) {
  if (integer<int>(json, "schemaVersion") == 1) {
    throw Error(Errc::corrupt,
                "a Docker schema 1 manifest: the format was retired in 2019; push the image again "
                "with a current tool");
  }
}

}  // namespace

bool is_manifest(std::string_view media_type) {
  return media_type == kManifest || media_type == kDockerManifest;
}

bool is_index(std::string_view media_type) {
  return media_type == kIndex || media_type == kDockerManifestList;
}

bool is_layer(std::string_view media_type) {
  constexpr std::array<std::string_view, 4> kPrefixes{
      kLayer, "application/vnd.oci.image.layer.nondistributable.v1.tar",
      "application/vnd.docker.image.rootfs.diff.tar",
      "application/vnd.docker.image.rootfs.foreign.diff.tar"};
  constexpr std::array<std::string_view, 5> kCompressions{"", "+gzip", "+zstd", ".gzip", ".zstd"};
  return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) {
    return media_type.starts_with(prefix) &&
           std::ranges::find(kCompressions, media_type.substr(prefix.size())) !=
               kCompressions.end();
  });
}

std::string media_type_of(std::string_view json_text) {
  const Json json = parse_document(json_text, "manifest");
  if (std::string type = text(json, "mediaType"); !type.empty()) return type;
  check_schema_version(json);
  if (find(json, "manifests")) return std::string(kIndex);
  if (find(json, "config")) return std::string(kManifest);
  throw Error(Errc::corrupt, "neither an image manifest nor an index");
}

Manifest parse_manifest(std::string_view json_text) {
  const Json json = parse_document(json_text, "manifest");
  check_schema_version(json);
  const Json* config = member(json, "config", false);
  if (!config) throw Error(Errc::corrupt, "manifest: no \"config\"");
  std::string type = text(json, "mediaType");
  Manifest manifest{type.empty() ? std::string(kManifest) : std::move(type),
                    parse_descriptor(*config),
                    {},
                    string_map(json, "annotations")};
  if (const Json* layers = member(json, "layers", true)) {
    for (const Json& layer : *layers)
      manifest.layers.push_back(parse_descriptor(layer));
  }
  return manifest;
}

Index parse_index(std::string_view json_text) {
  const Json json = parse_document(json_text, "index");
  std::string type = text(json, "mediaType");
  Index index{
      type.empty() ? std::string(kIndex) : std::move(type), {}, string_map(json, "annotations")};
  if (const Json* manifests = member(json, "manifests", true)) {
    for (const Json& item : *manifests)
      index.manifests.push_back(parse_descriptor(item));
  }
  return index;
}

ImageConfig parse_config(std::string_view json_text) {
  const Json json = parse_document(json_text, "image configuration");
  ImageConfig config;
  config.created = text(json, "created");
  config.author = text(json, "author");
  config.platform = parse_platform(json);
  if (const Json* container = member(json, "config", false)) {
    config.config = parse_container(*container);
  }
  if (const Json* rootfs = member(json, "rootfs", false)) {
    for (const std::string& id :
         strings(*rootfs, "diff_ids").value_or(std::vector<std::string>{})) {
      try {
        config.diff_ids.push_back({Digest::parse(id)});
      } catch (const Error& error) {
        throw Error(Errc::corrupt, "field \"diff_ids\": {}", error.what());
      }
    }
  }
  if (const Json* history = member(json, "history", true)) {
    for (const Json& entry : *history) {
      if (!entry.is_object()) wrong_type("history", "an array of objects");
      config.history.push_back({text(entry, "created"), text(entry, "created_by"),
                                text(entry, "author"), text(entry, "comment"),
                                boolean(entry, "empty_layer")});
    }
  }
  if (const Json* cache = find(json, kCacheField)) config.cache = dump(*cache);
  return config;
}

std::string to_json(const Manifest& manifest) {
  Json json{{"schemaVersion", 2},
            {"mediaType", manifest.media_type},
            {"config", to_object(manifest.config)},
            {"layers", Json::array()}};
  for (const Descriptor& layer : manifest.layers)
    json["layers"].push_back(to_object(layer));
  if (!manifest.annotations.empty()) json["annotations"] = manifest.annotations;
  return dump(json);
}

std::string to_json(const Index& index) {
  Json json{{"schemaVersion", 2}, {"mediaType", index.media_type}, {"manifests", Json::array()}};
  for (const Descriptor& item : index.manifests)
    json["manifests"].push_back(to_object(item));
  if (!index.annotations.empty()) json["annotations"] = index.annotations;
  return dump(json);
}

std::string to_json(const ImageConfig& config) {
  Json json = Json::object();
  if (!config.created.empty()) json["created"] = config.created;
  if (!config.author.empty()) json["author"] = config.author;
  json["architecture"] = config.platform.architecture;
  json["os"] = config.platform.os;
  if (!config.platform.os_version.empty()) json["os.version"] = config.platform.os_version;
  if (!config.platform.variant.empty()) json["variant"] = config.platform.variant;
  json["config"] = to_object(config.config);
  Json ids = Json::array();
  for (const DiffId& id : config.diff_ids)
    ids.push_back(id.str());
  json["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(ids)}};
  if (!config.history.empty()) {
    json["history"] = Json::array();
    for (const HistoryEntry& entry : config.history)
      json["history"].push_back(to_object(entry));
  }
  if (!config.cache.empty()) json[std::string(kCacheField)] = Json::parse(config.cache);
  return dump(json);
}

std::optional<Descriptor> choose(const Index& index, const Platform& wanted) {
  const Descriptor* best = nullptr;
  int best_distance = 0;
  for (const Descriptor& candidate : index.manifests) {
    if (!candidate.platform || !is_manifest(candidate.media_type)) continue;
    const std::optional<int> distance = wanted.distance(*candidate.platform);
    if (distance && (!best || *distance < best_distance)) {
      best = &candidate;
      best_distance = *distance;
    }
  }
  if (!best) return std::nullopt;
  return *best;
}

}  // namespace kiln::oci
