#include "builder/solver/cache_key.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace kiln::solver {

CacheKey make_key(std::vector<graph::KeyPart> own, const std::vector<CacheKey>& inputs) {
  std::vector<graph::KeyPart> parts = std::move(own);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    parts.push_back({fmt::format("input {}", i), inputs[i].digest.str()});
  }
  Digest digest = graph::hash_parts(parts);
  return {std::move(digest), std::move(parts)};
}

std::string parts_to_json(const std::vector<graph::KeyPart>& parts) {
  nlohmann::json json = nlohmann::json::array();
  for (const graph::KeyPart& part : parts)
    json.push_back({part.name, part.value});
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<graph::KeyPart> parts_from_json(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  std::vector<graph::KeyPart> parts;
  if (!json.is_array()) return parts;
  for (const nlohmann::json& part : json) {
    if (part.is_array() && part.size() == 2 && part[0].is_string() && part[1].is_string())
      parts.push_back({part[0].get<std::string>(), part[1].get<std::string>()});
  }
  return parts;
}

}  // namespace kiln::solver
