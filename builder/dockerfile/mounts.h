// RUN --mount: a flag's text into fields, and fields into what they say.
//
// A mount is read twice, as in BuildKit: its fields with the instruction, so that `from` is known
// when stages are planned; what they mean when the step is lowered, because variables may stand in
// every other value, even the type. source: BuildKit frontend/dockerfile/instructions
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "builder/dockerfile/ast.h"
#include "builder/graph/op.h"

namespace kiln::dockerfile {

enum class MountType { bind, cache, tmpfs, secret, ssh };

/// What the fields of one --mount say; what nothing was said of has the type's default or is empty.
struct MountSpec {
  MountType type = MountType::bind;
  std::string source;
  std::string target;
  std::string id;
  bool read_only = true;
  bool required = false;
  std::uint64_t size_bytes = 0;
  std::optional<graph::CacheMount::Sharing> sharing;
  std::optional<std::string> variable;
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  /// Where to point at when `target` is wrong: at it, else at the flag.
  std::size_t target_offset = 0;
};

/// The --mount flags of a RUN; throws Mistake for broken quotes and variables in `from`.
[[nodiscard]] std::vector<MountFlag> parse_mounts(const Instruction& instruction);

/// Replaces the variables of a field's value.
using ExpandValue = std::function<std::string(const std::string& value, std::size_t offset)>;

/// Throws Mistake: an unknown key, a value that is none, a key that the type has not. As in
/// BuildKit the type holds for the fields after it, and is bind until it is given.
[[nodiscard]] MountSpec read_mount(const MountFlag& flag, const ExpandValue& expand);

}  // namespace kiln::dockerfile
