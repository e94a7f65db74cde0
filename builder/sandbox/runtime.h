// Runs commands in an OCI runtime: crun where it works, else runc.
//
// Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "builder/os/process.h"
#include "builder/sandbox/spec.h"

namespace kiln::sandbox {

struct RuntimeConfig {
  std::string runtime;  ///< "crun", "runc", a path, or "" for the first that works
  std::filesystem::path
      state_directory;  ///< for the runtime's own state and our bundles; emptied at start
  std::filesystem::path supervisor;  ///< our own executable, which has the "supervise" verb
  std::string cgroup_name;  ///< our cgroup below the root of the v2 hierarchy, e.g. "kiln-1a2b3c"
  std::string default_network;  ///< "default", "host" or "none": what Network::standard means
  std::filesystem::path cni_plugins = "/usr/lib/cni";
};

/// A command's output, as it comes: 1 stdout, 2 stderr.
using OutputFn = std::function<void(int stream, std::string_view text)>;

class Runtime {
 public:
  /// Kills what an earlier process left in our cgroup, empties the state directory, and finds a
  /// runtime by running a trivial container in it. Throws Error{unavailable} saying what each
  /// candidate answered.
  static boost::asio::awaitable<std::unique_ptr<Runtime>> open(RuntimeConfig config,
                                                               boost::asio::thread_pool& pool);
  ~Runtime();

  /// Runs the command to its end and returns how it ended. When cancelled, the step's cgroup is
  /// killed whole before the exception leaves. Nothing stays: no mount, cgroup, network namespace
  /// or bundle.
  boost::asio::awaitable<os::ExitStatus> run(RunSpec spec, OutputFn output);

  [[nodiscard]] std::string description() const;  ///< "crun 1.8.1", for `kiln info`
  /// What a user should know: e.g. no CNI plugins, so the default network is the host's.
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept;

 private:
  class Impl;
  explicit Runtime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The "supervise" verb of the daemon's executable, run between the daemon and the runtime: a small
/// single-threaded process that runs `argv`, and when the daemon dies kills the step's cgroup and
/// itself. Returns the exit code to end with.
int supervise(int argc, char** argv);

}  // namespace kiln::sandbox
