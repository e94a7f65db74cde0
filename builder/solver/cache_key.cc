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

}  // namespace kiln::solver
