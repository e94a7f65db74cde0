// One run of a command: what is on disk and in the kernel for it, from before to after.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "builder/os/mount.h"
#include "builder/sandbox/bundle.h"
#include "builder/sandbox/cgroup.h"
#include "builder/sandbox/console.h"
#include "builder/sandbox/device_filter.h"
#include "builder/sandbox/engine.h"
#include "builder/sandbox/mount_points.h"

namespace kiln::sandbox {

/// What a daemon has once and its steps share; outlives them.
struct StepHost {
  std::filesystem::path bundles;  ///< one directory for each step
  std::filesystem::path cgroup;   ///< ours, the steps' are below
  Engine engine;
  os::Fd program_image;  ///< see seal_program(); may be empty
  BundleFormat format;
  std::optional<DeviceFilter> device_filter;
};

/// Made before the command runs, taken away after it. Blocks; thread: any, one at a time.
class Step {
 public:
  /// Makes the bundle, the cgroup and the mount points. `id` is unique in the runtime's state.
  /// Throws Error; nothing stays then.
  Step(const StepHost& host,
       std::string id,
       const RunSpec& spec,
       const NetworkPlace& network,
       const std::string& host_address);
  ~Step();
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  /// What the supervisor is called with: its own flags, "--", the runtime and its arguments.
  [[nodiscard]] std::vector<std::string> command_line() const;
  /// Where its terminal is handed over; nullptr when it has none.
  [[nodiscard]] const ConsoleSocket* console() const { return console_ ? &*console_ : nullptr; }
  /// A descriptor of the program to execute, -1 for the one of the command line.
  [[nodiscard]] int program_fd() const { return host_.program_image.get(); }
  [[nodiscard]] const std::filesystem::path& cgroup() const { return cgroup_.directory(); }
  /// What the runtime wrote to its log so far.
  [[nodiscard]] std::string log() const;

  /// Kills what still runs and removes everything; the root file system has no trace of us then.
  /// Throws Error.
  void close();

 private:
  const StepHost& host_;
  std::string id_;
  std::filesystem::path bundle_;
  os::Mount memory_;  ///< at bundle_, for a step with secrets
  Cgroup cgroup_;
  std::unique_ptr<MountPoints> mount_points_;
  std::optional<ConsoleSocket> console_;
};

}  // namespace kiln::sandbox
