// Sizes and ages as users type them. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace kiln::cli {

/// Bytes: "500MB", "10G" (powers of 1000, as kilnd.toml and the output of kiln have them), "10GiB",
/// "4096". Throws UsageError naming the flag.
[[nodiscard]] std::uint64_t parse_bytes(std::string_view flag, std::string_view text);

/// "14d", "24h", "1h30m", "90s"; w, d, h, m and s. Throws UsageError naming the flag.
[[nodiscard]] std::chrono::seconds parse_age(std::string_view flag, std::string_view text);

}  // namespace kiln::cli
