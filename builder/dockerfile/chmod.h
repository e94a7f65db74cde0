// The values of --chmod: octal, or symbolic as chmod(1) takes them.
#pragma once

#include <cstdint>
#include <string_view>

namespace kiln::dockerfile {

/// What `mode` makes of a regular file's `before`; throws Mistake for a malformed one.
[[nodiscard]] std::uint32_t apply_chmod(std::string_view mode, std::uint32_t before);

}  // namespace kiln::dockerfile
