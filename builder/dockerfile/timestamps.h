// RFC 3339 → seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kiln::dockerfile {

/// Seconds since the epoch of "2024-05-01T10:00:00.123Z" or with "+02:00"; nullopt when it is not
/// such a time. Fractions are dropped.
[[nodiscard]] std::optional<std::int64_t> parse_timestamp(std::string_view text);

}  // namespace kiln::dockerfile
