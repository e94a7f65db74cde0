#include "proto/cache_messages.h"

#include "proto/json_members.h"

namespace kiln {

using namespace json_members;  // NOLINT(google-build-using-namespace): made for this

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
