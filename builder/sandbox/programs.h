// Programs of the host that the sandbox calls.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::sandbox {

/// Where a program is: a path is taken as it is, a name is looked up in our PATH and in the system
/// directories that an unprivileged user's PATH lacks.
[[nodiscard]] std::optional<std::filesystem::path> find_program(std::string_view name);

/// The complete environment of such a program: PATH and nothing of the daemon's.
[[nodiscard]] std::vector<std::string> runtime_environment();

}  // namespace kiln::sandbox
