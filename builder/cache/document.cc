#include "builder/cache/document.h"

#include <nlohmann/json.hpp>

#include "builder/os/mount.h"
#include "proto/error.h"
#include "proto/json_shape.h"
#include "proto/oci.h"

namespace kiln::cache {

namespace {

using Json = nlohmann::ordered_json;

/// No layer is larger: it would not fit on a disk that this program is used with.
constexpr std::uint64_t kMaxBlobBytes = std::uint64_t{1} << 44U;
constexpr std::size_t kMaxNameBytes = 64 * 1024;

Json to_object(const CachedLayer& layer) {
  Json json{{"diff_id", layer.diff_id.str()},
            {"digest", layer.blob.str()},
            {"size", layer.blob_bytes},
            {"media_type", layer.media_type},
            {"created", layer.created_ns}};
  if (layer.base) json["base"] = true;
  return json;
}

Json to_object(const CachedRecord& record) {
  Json json{{"key", record.key.str()}, {"name", record.name}, {"created", record.created_ns}};
  if (record.exported_s != 0) json["exported"] = record.exported_s;
  if (!record.parts.empty()) json["parts"] = record.parts;
  json["layers"] = record.layers;
  if (record.content) {
    json["content"] = record.content->str();
    json["whole"] = Json::array();
    for (const auto& [input, layers] : record.whole)
      json["whole"].push_back({{"input", input}, {"layers", layers}});
  }
  return json;
}

[[noreturn]] void wrong(std::string_view field, std::string_view want) {
  throw Error(Errc::corrupt, "the cache's field \"{}\" is not {}", field, want);
}

const Json* find(const Json& object, const char* field) {
  if (!object.is_object()) wrong(field, "in an object");
  const auto found = object.find(field);
  return found == object.end() ? nullptr : &*found;
}

const Json& need(const Json& object, const char* field) {
  const Json* value = find(object, field);
  if (!value) wrong(field, "there");
  return *value;
}

std::string text(const Json& object, const char* field, std::size_t limit_bytes) {
  const Json* value = find(object, field);
  if (!value) return {};
  if (!value->is_string() || value->get_ref<const std::string&>().size() > limit_bytes)
    wrong(field, "a short string");
  return value->get<std::string>();
}

Digest to_digest(const Json& value, const char* field) {
  if (!value.is_string()) wrong(field, "a digest");
  try {
    return Digest::parse(value.get_ref<const std::string&>());
  } catch (const Error&) {
    wrong(field, "a digest");
  }
}

std::int64_t time(const Json& object, const char* field) {
  const Json* value = find(object, field);
  if (!value) return 0;
  if (!value->is_number_integer()) wrong(field, "a time");
  return value->get<std::int64_t>();
}

std::size_t natural(const Json& value, const char* field, std::uint64_t limit) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= limit)
    wrong(field, "a number in its range");
  return value.get<std::size_t>();
}

const Json& list(const Json& object, const char* field) {
  const Json& value = need(object, field);
  if (!value.is_array()) wrong(field, "an array");
  return value;
}

/// Numbers below `limit`, no more than layers can be stacked.
std::vector<std::size_t> places(const Json& object, const char* field, std::size_t limit) {
  const Json& values = list(object, field);
  if (values.size() > os::kMaxOverlayLayers) wrong(field, "a stack that can be mounted");
  std::vector<std::size_t> result;
  for (const Json& value : values)
    result.push_back(natural(value, field, limit));
  return result;
}

CachedLayer parse_layer(const Json& json) {
  CachedLayer layer{{to_digest(need(json, "diff_id"), "diff_id")},
                    to_digest(need(json, "digest"), "digest"),
                    natural(need(json, "size"), "size", kMaxBlobBytes),
                    text(json, "media_type", 256),
                    time(json, "created"),
                    false};
  if (!oci::is_layer(layer.media_type)) wrong("media_type", "a layer's");
  if (const Json* base = find(json, "base")) layer.base = base->is_boolean() && base->get<bool>();
  return layer;
}

CachedRecord parse_record(const Json& json, std::size_t count_layers) {
  CachedRecord record{to_digest(need(json, "key"), "key"),
                      text(json, "name", kMaxNameBytes),
                      text(json, "parts", kMaxPartsBytes),
                      time(json, "created"),
                      time(json, "exported"),
                      places(json, "layers", count_layers),
                      std::nullopt,
                      {}};
  if (const Json* content = find(json, "content")) {
    record.content = to_digest(*content, "content");
    for (const Json& whole : list(json, "whole")) {
      record.whole.push_back({natural(need(whole, "input"), "input", 10'000),
                              places(whole, "layers", record.layers.size())});
    }
  }
  return record;
}

}  // namespace

std::size_t DocumentBuilder::place_of(const CachedLayer& layer) {
  const auto [found, added] =
      places_.try_emplace({layer.diff_id, layer.blob}, document_.layers.size());
  if (added) document_.layers.push_back(layer);
  return found->second;
}

void DocumentBuilder::add(CachedRecord record) {
  if (keys_.insert(record.key).second) document_.records.push_back(std::move(record));
}

void DocumentBuilder::add_from(const Document& from, CachedRecord record) {
  if (keys_.contains(record.key)) return;
  for (std::size_t& place : record.layers)
    place = place_of(from.layers.at(place));
  add(std::move(record));
}

std::string to_json(const Document& document) {
  Json json{{"layers", Json::array()}, {"records", Json::array()}};
  for (const CachedLayer& layer : document.layers)
    json["layers"].push_back(to_object(layer));
  for (const CachedRecord& record : document.records)
    json["records"].push_back(to_object(record));
  if (!document.replaces.empty()) {
    json["replaces"] = Json::array();
    for (const Digest& shard : document.replaces)
      json["replaces"].push_back(shard.str());
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Document parse_document(std::string_view json_text) {
  if (json_text.size() > oci::kMaxDocumentBytes)
    throw Error(Errc::corrupt, "the cache has {} bytes, over the limit of {}", json_text.size(),
                oci::kMaxDocumentBytes);
  check_json_shape(json_text, "the cache");
  const Json json = Json::parse(json_text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw Error(Errc::corrupt, "the cache is no JSON object");
  Document document;
  for (const Json& layer : list(json, "layers"))
    document.layers.push_back(parse_layer(layer));
  for (const Json& record : list(json, "records"))
    document.records.push_back(parse_record(record, document.layers.size()));
  if (find(json, "replaces")) {
    for (const Json& shard : list(json, "replaces"))
      document.replaces.push_back(to_digest(shard, "replaces"));
  }
  return document;
}

std::optional<std::string> content_key_of(const Document& document, const CachedRecord& record) {
  if (!record.content) return std::nullopt;
  std::vector<solver::WholeInput<DiffId>> inputs;
  for (const auto& [input, layers] : record.whole) {
    auto& whole = inputs.emplace_back();
    whole.input = input;
    for (const std::size_t place : layers)
      whole.layers.push_back(document.layers.at(record.layers.at(place)).diff_id);
  }
  return solver::portable_content_key(*record.content, inputs);
}

}  // namespace kiln::cache
