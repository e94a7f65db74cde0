// How Go reads and prints values: image histories contain them, and other tools compare those.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/oci.h"

namespace kiln::dockerfile {

/// source: Go strconv.ParseBool
[[nodiscard]] std::optional<bool> parse_bool(std::string_view text);

/// "%q" of a string.
[[nodiscard]] std::string quoted(std::string_view text);
/// "%q" of a list: ["a" "b"].
[[nodiscard]] std::string quoted_list(const std::vector<std::string>& words);
/// "%v" of a list: [a b].
[[nodiscard]] std::string plain_list(const std::vector<std::string>& words);
/// "%+v" of a health check.
[[nodiscard]] std::string fields_of(const oci::Healthcheck& check);

}  // namespace kiln::dockerfile
