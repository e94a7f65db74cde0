// Durations as Go writes them: "1h30m", "1.5s", "300ms".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kiln::dockerfile {

/// Nanoseconds; throws Mistake. source: Go time.ParseDuration
[[nodiscard]] std::int64_t parse_duration(std::string_view text);

/// source: Go time.Duration.String
[[nodiscard]] std::string format_duration(std::int64_t nanoseconds);

}  // namespace kiln::dockerfile
