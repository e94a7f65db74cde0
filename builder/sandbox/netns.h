// Network namespaces that live as a mount, without a process in them.
#pragma once

#include <filesystem>

namespace kiln::sandbox {

/// Makes a network namespace with `lo` up and holds it by a mount on the existing file `path`.
/// Throws Error. Blocks for about a millisecond.
void make_network_namespace(const std::filesystem::path& path);

/// Lets go of it; the kernel removes it with its interfaces. A path without a mount is fine.
void drop_network_namespace(const std::filesystem::path& path) noexcept;

}  // namespace kiln::sandbox
