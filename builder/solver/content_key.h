// The content key: what a step does, to inputs of which content. Found where a definition key is
// not: a rebuilt stage with equal output does not rebuild what depends on it.
//
//   text     = own ( " " input "=" layer ("," layer)* )*
//   own      = digest of the operation and of what it selects of its inputs
//
// An input that counts as a whole is named by its layers: by their numbers in this store, which are
// never used twice, or between machines by their diff ids.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/solver/executor.h"
#include "proto/digest.h"

namespace kiln::solver {

/// An input that counts as a whole, by its layers, bottom first.
template <class Layer>
struct WholeInput {
  std::size_t input = 0;
  std::vector<Layer> layers;
  friend bool operator==(const WholeInput&, const WholeInput&) = default;
};

struct ContentKey {
  Digest own;
  std::vector<WholeInput<store::LayerId>> whole;

  /// What a record of this store has it as.
  [[nodiscard]] std::string str() const;
  /// nullopt for what is no such text: "", or a record of an older version.
  [[nodiscard]] static std::optional<ContentKey> parse(std::string_view text);
};

/// The same key on every machine.
[[nodiscard]] std::string portable_content_key(const Digest& own,
                                               const std::vector<WholeInput<DiffId>>& whole);

/// The key's inputs by their diff ids; nullopt when one is not known.
[[nodiscard]] std::optional<std::vector<WholeInput<DiffId>>> to_diff_ids(
    const ContentKey& key,
    const std::function<std::optional<DiffId>(store::LayerId layer)>& diff_id_of);

}  // namespace kiln::solver
