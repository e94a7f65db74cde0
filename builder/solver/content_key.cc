#include "builder/solver/content_key.h"

#include <fmt/format.h>

#include <charconv>

namespace kiln::solver {

namespace {

/// Takes a number off the front of `text`.
template <class Number>
bool take_number(std::string_view& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  text = {rest, end};
  return error == std::errc();
}

}  // namespace

std::string ContentKey::str() const {
  std::string text = own.str();
  for (const auto& [input, layers] : whole) {
    text += fmt::format(" {}=", input);
    for (std::size_t i = 0; i < layers.size(); ++i)
      text += fmt::format("{}{}", i == 0 ? "" : ",", static_cast<std::int64_t>(layers[i]));
  }
  return text;
}

std::optional<ContentKey> ContentKey::parse(std::string_view text) {
  constexpr std::size_t kDigestLength = 71;  // "sha256:" and 64 digits
  if (text.size() < kDigestLength) return std::nullopt;
  ContentKey key{Digest::parse(text.substr(0, kDigestLength)), {}};
  text.remove_prefix(kDigestLength);
  while (text.starts_with(' ')) {
    text.remove_prefix(1);
    WholeInput<store::LayerId> whole;
    if (!take_number(text, whole.input) || !text.starts_with('=')) return std::nullopt;
    do {
      text.remove_prefix(1);
      std::int64_t layer = 0;
      if (!take_number(text, layer)) break;  // an input without layers
      whole.layers.push_back(store::LayerId{layer});
    } while (text.starts_with(','));
    key.whole.push_back(std::move(whole));
  }
  if (!text.empty()) return std::nullopt;
  return key;
}

std::string portable_content_key(const Digest& own, const std::vector<WholeInput<DiffId>>& whole) {
  std::vector<graph::KeyPart> parts{{"content", own.str()}};
  for (const auto& [input, layers] : whole) {
    for (const DiffId& layer : layers)
      parts.push_back({fmt::format("input {}", input), layer.str()});
    parts.push_back({fmt::format("input {} layers", input), std::to_string(layers.size())});
  }
  return graph::hash_parts(parts).str();
}

std::optional<std::vector<WholeInput<DiffId>>> to_diff_ids(
    const ContentKey& key,
    const std::function<std::optional<DiffId>(store::LayerId layer)>& diff_id_of) {
  std::vector<WholeInput<DiffId>> inputs;
  for (const auto& [input, layers] : key.whole) {
    WholeInput<DiffId>& whole = inputs.emplace_back(WholeInput<DiffId>{input, {}});
    for (const store::LayerId layer : layers) {
      std::optional<DiffId> diff_id = diff_id_of(layer);
      if (!diff_id) return std::nullopt;
      whole.layers.push_back(std::move(*diff_id));
    }
  }
  return inputs;
}

}  // namespace kiln::solver
