// Names in archives, before they touch a file system.
#pragma once

#include <string>
#include <string_view>

namespace kiln::layer {

/// "./a//b/" and "/a/b" become "a/b", the directory itself "". Throws Error{corrupt} for a name
/// whose ".." leads out, that is empty, or longer than Linux takes (255 bytes a part, 4095 in all).
[[nodiscard]] std::string clean_entry_name(std::string_view name);

}  // namespace kiln::layer
