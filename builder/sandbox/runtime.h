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
  /// For the runtime's own state, our bundles, and records of networks that must outlive a crash:
  /// Runtime::open() empties it, and nobody else may.
  std::filesystem::path state_directory;
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

  /// Runs the command to its end and returns how it ended: 127 when its program does not exist, 126
  /// when it cannot be executed, 128+N when signal N killed it. When cancelled or when `output`
  /// throws, the step's cgroup is killed whole before the exception leaves. Nothing stays: no
  /// mount, cgroup or bundle; a network namespace that the step could not change is kept for the
  /// next one, until the Runtime ends. A working directory that the image lacks is made, and stays.
  /// Throws Error{unavailable} with the runtime's words when it could not run the command.
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
/// single-threaded process that runs the runtime, and when the daemon dies or it gets SIGTERM kills
/// the step's cgroup and whatever it started. Returns the exit code to end with. `argv` is main's:
/// PROGRAM supervise --cgroup DIR [--pid-file FILE] -- RUNTIME ARGUMENT...
int supervise(int argc, char** argv);

}  // namespace kiln::sandbox
