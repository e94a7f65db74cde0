// What RUN steps left that failed, kept for a while so that somebody can look.
//
//   ROOT/failed/N/upper     what the step changed, in overlayfs' form; nothing changes it any more
//   ROOT/failed/N/mount-I   what its mount I showed of a client's context
//
// A kept step is no record: it is in no key and no table, and what is left after a crash is removed
// when the daemon starts. The layers beneath it are leased. Thread: the event loop's.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "builder/graph/op.h"
#include "builder/os/file.h"
#include "builder/snapshot/workspace.h"
#include "builder/solver/executor.h"
#include "builder/store/lease.h"
#include "builder/store/store.h"

namespace kiln::ops {

/// Copies of a client's files that a step had mounted, by the mount's index: TempDir/content.
using ContextCopies = std::map<std::size_t, std::shared_ptr<const os::TempDir>>;

/// One step; its directory is removed on the pool with the last who has it.
class FailedStep {
 public:
  FailedStep(graph::ExecOp operation,
             std::vector<solver::Stack> stacks,
             store::Lease lease,
             std::filesystem::path directory,
             boost::asio::thread_pool& pool)
      : op(std::move(operation)),
        inputs(std::move(stacks)),
        directory_(std::move(directory)),
        lease_(std::move(lease)),
        pool_(pool) {}
  ~FailedStep();
  FailedStep(const FailedStep&) = delete;
  FailedStep& operator=(const FailedStep&) = delete;

  const graph::ExecOp op;
  const std::vector<solver::Stack> inputs;

  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
  [[nodiscard]] std::filesystem::path upper() const { return directory_ / "upper"; }
  /// Has content/, where mount `index` was of a client's context.
  [[nodiscard]] std::filesystem::path copy(std::size_t index) const {
    return directory_ / fmt::format("mount-{}", index);
  }

 private:
  std::filesystem::path directory_;
  store::Lease lease_;
  boost::asio::thread_pool& pool_;
};

struct FailedStepLimits {
  std::chrono::seconds keep_for{3600};
  std::size_t keep_steps = 5;  ///< the last ones; 0 keeps none
};

class FailedSteps {
 public:
  /// A build that failed for a kept step.
  struct Entry {
    std::string build_id;
    uid_t owner = 0;
    std::string step;  ///< its name, as the user saw it
    int exit_code = 0;
    std::int64_t failed_ns = 0;
    std::shared_ptr<const FailedStep> kept;
  };

  /// References outlive it. Blocks: removes what an earlier process left.
  FailedSteps(boost::asio::any_io_executor executor,
              store::Store& store,
              store::LeaseTable& leases,
              boost::asio::thread_pool& pool,
              FailedStepLimits limits);
  ~FailedSteps();

  /// Takes over what a step left, whose layers somebody else leases until then. nullptr when
  /// nothing is to be kept, or cannot be: the disk is nearly full. Never throws Error.
  boost::asio::awaitable<std::shared_ptr<const FailedStep>> keep(
      const graph::ExecOp& op,
      std::vector<solver::Stack> inputs,
      ContextCopies copies,
      std::shared_ptr<snapshot::Workspace> workspace);

  /// Notes that a build failed with a step; the oldest give way.
  void add(Entry entry);

  /// The entry of a build, by the beginning of its id; "": the newest that `uid` may have. Others'
  /// are root's alone. Throws Error{not_found}, {denied}, {invalid_input} when several begin so.
  [[nodiscard]] Entry find(const std::string& build, uid_t uid) const;
  /// Oldest first.
  [[nodiscard]] std::vector<Entry> list() const;
  /// Forgets all, or one build's; what somebody uses goes when he ends. Returns the bytes on disk
  /// of what goes now.
  boost::asio::awaitable<std::uint64_t> prune();
  void remove(const std::string& build_id);
  /// Forgets all and no longer keeps any; before the pool is joined.
  void close();

  /// "1 h", for messages.
  [[nodiscard]] std::string kept_for() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kiln::ops
