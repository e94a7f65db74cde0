// JSON of messages with a handful of fields, for proto/*.cc only: it brings nlohmann/json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "proto/error.h"

namespace kiln::json_members {

using Json = nlohmann::ordered_json;

inline std::string dump(const Json& json) {
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

inline Json parse(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error(Errc::invalid_input, "the message is not valid JSON");
  return json;
}

}  // namespace kiln::json_members
