// Variables in the order of their first definition.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kiln::dockerfile {

/// The name in "NAME=value"; all of an entry without '='.
[[nodiscard]] inline std::string_view variable_of(std::string_view entry) {
  return entry.substr(0, entry.find('='));
}

class Environment {
 public:
  void set(std::string name, std::string value) {
    const auto [entry, added] = index_.try_emplace(name, entries_.size());
    if (added) {
      entries_.emplace_back(std::move(name), std::move(value));
    } else {
      entries_[entry->second].second = std::move(value);
    }
  }

  /// The value, or nullptr when the variable is not set; valid until the next change.
  [[nodiscard]] const std::string* find(std::string_view name) const {
    const auto entry = index_.find(name);
    return entry == index_.end() ? nullptr : &entries_[entry->second].second;
  }

  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& entries() const noexcept {
    return entries_;
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> result;
    result.reserve(entries_.size());
    for (const auto& [name, value] : entries_)
      result.push_back(name);
    return result;
  }

  /// "NAME=value" each.
  [[nodiscard]] std::vector<std::string> assignments() const {
    std::vector<std::string> result;
    result.reserve(entries_.size());
    for (const auto& [name, value] : entries_)
      result.push_back(name + "=" + value);
    return result;
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::vector<std::pair<std::string, std::string>> entries_;
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> index_;
};

}  // namespace kiln::dockerfile
