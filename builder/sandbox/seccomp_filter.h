// A seccomp profile compiled once, instead of by the runtime for every step.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kiln::sandbox {

/// The program (struct sock_filter in the machine's byte order) of a text of `linux.seccomp`, the
/// very one that crun makes of it; nullopt for a profile that only a runtime can carry out (an
/// action that asks another process, a name this libseccomp does not know). Throws
/// Error{invalid_input} for a text that is no profile.
/// source: runtime-spec config-linux.md "Seccomp"; libseccomp seccomp_rule_add(3); crun
/// src/libcrun/seccomp.c for the defaults
[[nodiscard]] std::optional<std::string> compile_seccomp(std::string_view linux_seccomp);

}  // namespace kiln::sandbox
