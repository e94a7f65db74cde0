// The distribution's seccomp profile, turned into what an OCI runtime takes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::sandbox {

/// The machine that a profile's conditions are evaluated for.
struct SeccompTarget {
  std::string architecture;               ///< as Go names it: "amd64"
  std::vector<std::string> capabilities;  ///< the container's bounding set
  int kernel_major = 0;
  int kernel_minor = 0;
};

/// This machine with these capabilities.
[[nodiscard]] SeccompTarget local_seccomp_target(std::vector<std::string> capabilities);

/// Translates a profile in Docker's and containers-common's format (archMap, includes, excludes)
/// to the text of `linux.seccomp` of a runtime configuration. Throws Error{invalid_input}.
/// source: moby profiles/seccomp/seccomp_linux.go setupSeccomp; runtime-spec config-linux.md
[[nodiscard]] std::string translate_seccomp(std::string_view profile, const SeccompTarget& target);

/// The administrator's profile, else the distribution's; nullopt when neither exists.
[[nodiscard]] std::optional<std::filesystem::path> find_seccomp_profile();

}  // namespace kiln::sandbox
