// What a vertex is looked up by. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "builder/graph/key_encoding.h"

namespace kiln::solver {

/// A definition key with the parts it was made of, kept with the record so that a later miss can be
/// explained.
struct CacheKey {
  Digest digest;
  std::vector<graph::KeyPart> parts;
};

/// The key of an operation's own parts on inputs of these keys.
[[nodiscard]] CacheKey make_key(std::vector<graph::KeyPart> own,
                                const std::vector<CacheKey>& inputs);

/// Parts as a JSON array of [name, value], and back; of what is no such array, nothing.
[[nodiscard]] std::string parts_to_json(const std::vector<graph::KeyPart>& parts);
[[nodiscard]] std::vector<graph::KeyPart> parts_from_json(std::string_view text);

}  // namespace kiln::solver
