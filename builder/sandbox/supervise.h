// What the daemon and the supervisor it starts agree on.
#pragma once

namespace kiln::sandbox {

/// In the supervisor: the reading end of a pipe that ends when the daemon does.
inline constexpr int kLifelineFd = 3;

}  // namespace kiln::sandbox
