#include "proto/cache_messages.h"

#include <nlohmann/json.hpp>

namespace kiln {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Reads members of one object; what is missing keeps its default.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {
    if (!object.is_object()) throw Error(Errc::invalid_input, "the message is not a JSON object");
  }

  template <class T>
  void operator()(const char* name, T& value) const {
    const auto found = object_.find(name);
    if (found == object_.end() || found->is_null()) return;
    try {
      value = found->get<T>();
    } catch (const Json::exception&) {
      throw Error(Errc::invalid_input, "message field \"{}\" has the wrong type", name);
    }
  }

 private:
  const Json& object_;
};

Json parse(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error(Errc::invalid_input, "the message is not valid JSON");
  return json;
}

}  // namespace

std::string to_json(const std::vector<CacheMountSummary>& value) {
  Json array = Json::array();
  for (const CacheMountSummary& row : value) {
    array.push_back({{"id", row.id},
                     {"name", row.name},
                     {"size_bytes", row.size_bytes},
                     {"used", row.used},
                     {"users", row.users},
                     {"shared", row.shared}});
  }
  return dump(array);
}

std::string to_json(const CacheTransferRequest& value) {
  return dump({{"id", value.id},
               {"compression", value.compression},
               {"merge", value.merge},
               {"descriptors", value.descriptors},
               {"archive_name", value.archive_name}});
}

std::string to_json(const CacheMountsRemoved& value) {
  return dump({{"count", value.count}, {"freed_bytes", value.freed_bytes}});
}

template <>
std::vector<CacheMountSummary> from_json(std::string_view text) {
  const Json json = parse(text);
  if (!json.is_array()) throw Error(Errc::invalid_input, "the message is not a JSON array");
  std::vector<CacheMountSummary> rows;
  for (const Json& item : json) {
    const Members read(item);
    CacheMountSummary& row = rows.emplace_back();
    read("id", row.id);
    read("name", row.name);
    read("size_bytes", row.size_bytes);
    read("used", row.used);
    read("users", row.users);
    read("shared", row.shared);
  }
  return rows;
}

template <>
CacheTransferRequest from_json(std::string_view text) {
  const Json json = parse(text);
  const Members read(json);
  CacheTransferRequest request;
  read("id", request.id);
  read("compression", request.compression);
  read("merge", request.merge);
  read("descriptors", request.descriptors);
  read("archive_name", request.archive_name);
  return request;
}

template <>
CacheMountsRemoved from_json(std::string_view text) {
  const Json json = parse(text);
  const Members read(json);
  CacheMountsRemoved removed;
  read("count", removed.count);
  read("freed_bytes", removed.freed_bytes);
  return removed;
}

}  // namespace kiln
