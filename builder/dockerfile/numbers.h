// Numbers and sizes as Go reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kiln::dockerfile {

/// Digits of `base` and nothing else, at most 32 bits. source: Go strconv.ParseUint
[[nodiscard]] std::optional<std::uint32_t> parse_unsigned(std::string_view text, int base);

/// Bytes: "64m", "1.5 GiB", "100b"; units are powers of 1024. source: docker/go-units RAMInBytes
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace kiln::dockerfile
