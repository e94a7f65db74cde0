// Which devices a step may open: a BPF program on its cgroup, as runtimes attach one.
#pragma once

#include <filesystem>

#include "builder/os/fd.h"

namespace kiln::sandbox {

/// Allows what Docker's default does: to make any device node, and to open null, zero, full,
/// random, urandom, tty, console, ptmx and pseudo terminals. Loaded once for all steps: a runtime
/// would load one for each, and crun 1.8 insists on CAP_SYS_RESOURCE to do so.
/// source: Documentation/bpf/prog_cgroup_device (BPF_PROG_TYPE_CGROUP_DEVICE)
class DeviceFilter {
 public:
  /// Throws Error when the kernel refuses the program.
  DeviceFilter();
  /// Puts it on a cgroup, where it stays until that is removed.
  void attach(const std::filesystem::path& cgroup) const;

 private:
  os::Fd program_;
};

}  // namespace kiln::sandbox
