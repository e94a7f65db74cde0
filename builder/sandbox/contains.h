// std::ranges::contains, which libstdc++ 12 lacks.
#pragma once

#include <algorithm>
#include <ranges>

namespace kiln::sandbox {

template <std::ranges::input_range Range, class Value>
[[nodiscard]] bool contains(const Range& range, const Value& value) {
  return std::ranges::find(range, value) != std::ranges::end(range);
}

}  // namespace kiln::sandbox
