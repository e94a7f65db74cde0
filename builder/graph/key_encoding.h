// The canonical form of an operation: what the definition key hashes, and what --explain compares.
#pragma once

#include <string>
#include <vector>

#include "builder/graph/graph.h"

namespace kiln::graph {

/// Version of the encoding: changing what any part means changes it, and so every key.
inline constexpr int kKeyEncodingVersion = 1;

/// One named part of a key: "arg 2", "env PATH", "source requirements.txt". Order matters, names
/// repeat.
struct KeyPart {
  std::string name;
  std::string value;
  friend bool operator==(const KeyPart&, const KeyPart&) = default;
};

/// The parts of `vertex`'s own operation, without its inputs; every field of op.h that is in the
/// key.
[[nodiscard]] std::vector<KeyPart> key_parts(const Vertex& vertex);

/// sha256 over the parts: length-prefixed names and values, so no two lists encode alike.
[[nodiscard]] Digest hash_parts(const std::vector<KeyPart>& parts);

}  // namespace kiln::graph
