// Limits that clients and the daemon both keep.
#pragma once

#include <cstddef>

namespace kiln {

/// The most bytes of a secret. source: BuildKit session/secrets/secretsprovider MaxSecretSize
inline constexpr std::size_t kMaxSecretBytes = 500 * 1024;

}  // namespace kiln
