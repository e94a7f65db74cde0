// The signals that STOPSIGNAL accepts.
#pragma once

#include <string_view>

namespace kiln::dockerfile {

/// True for a number or a Linux signal's name, with or without SIG, in any case.
[[nodiscard]] bool is_signal(std::string_view text);

}  // namespace kiln::dockerfile
