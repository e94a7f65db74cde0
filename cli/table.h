// Columns for people: left-aligned, three spaces between, the last one not padded.
#pragma once

#include <string>
#include <vector>

namespace kiln::cli {

/// The rows (the first is the heading) as lines; every row has as many cells as the first.
[[nodiscard]] std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace kiln::cli
