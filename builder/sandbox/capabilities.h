// Linux capabilities by the names that the OCI runtime specification uses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kiln::sandbox {

/// What this process may give away: its bounding set as a mask, bit = capability number.
[[nodiscard]] std::uint64_t own_capabilities();

/// Docker's default set (a80425fb), as far as `allowed` has it.
/// source: moby daemon/pkg/oci/caps/defaults.go
[[nodiscard]] std::vector<std::string> default_capabilities(std::uint64_t allowed);

/// Every capability of `allowed` that has a name.
[[nodiscard]] std::vector<std::string> all_capabilities(std::uint64_t allowed);

}  // namespace kiln::sandbox
