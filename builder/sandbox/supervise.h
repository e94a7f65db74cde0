// What the daemon and the supervisor it starts agree on.
#pragma once

namespace kiln::sandbox {

// PROGRAM supervise --cgroup DIR [--pid-file FILE] -- RUNTIME ARGUMENT...
//
// With --pid-file the runtime leaves when the container runs; the process of that number, which
// the kernel gives to us, is then what is waited for.

/// In the supervisor: the reading end of a pipe that ends when the daemon does.
inline constexpr int kLifelineFd = 3;
/// In the supervisor, when it is open: the program to execute instead of the command line's first
/// word, which then is only its name.
inline constexpr int kProgramFd = 4;

}  // namespace kiln::sandbox
