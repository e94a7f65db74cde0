// Base64 as in RFC 4648 section 4: docker's config.json keeps "user:password" in it, and bytes
// travel in JSON as such.
#pragma once

#include <string>
#include <string_view>

namespace kiln {

[[nodiscard]] std::string base64_encode(std::string_view bytes);

/// Throws Error{invalid_input} (without the text, which is a secret); padding may be missing.
[[nodiscard]] std::string base64_decode(std::string_view text);

}  // namespace kiln
