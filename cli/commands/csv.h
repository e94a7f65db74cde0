// Values of flags that are lists, as docker's are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {

/// The fields of one line of CSV; a field may be quoted. Throws UsageError naming the flag.
/// source: RFC 4180, which docker's --output follows
[[nodiscard]] std::vector<std::string> split_csv(std::string_view flag, const std::string& text);

}  // namespace kiln::cli
