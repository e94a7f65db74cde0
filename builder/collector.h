// Keeps the store within its limits, in the background.
//
// While anybody uses the store it looks every moment how much there is, which costs next to nothing
// (store/accounting.h), and collects what went over: least recently used first, nothing that is
// leased. While nobody does it sleeps, but for a look once a minute: others use the disk too.
//
// Thread: the event loop's; blocking work runs on a thread of its own, so that builds keep theirs.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "builder/ops/cache_mounts.h"
#include "builder/ops/failed_steps.h"
#include "builder/os/task_group.h"
#include "builder/services.h"
#include "builder/store/accounting.h"
#include "builder/store/lease.h"
#include "builder/store/store.h"

namespace kiln {

class Collector {
 public:
  /// References outlive it. `tell` gets what the operator should know, a sentence each.
  Collector(boost::asio::io_context& io,
            store::Store& store,
            store::LeaseTable& leases,
            ops::CacheMounts& cache_mounts,
            ops::FailedSteps& failed_steps,
            const GcLimits& limits,
            std::function<void(const std::string&)> tell);
  ~Collector();

  /// Begins to look after the limits.
  void start();
  /// Ends that; waits for what is being removed.
  boost::asio::awaitable<void> stop();

  /// Gives memory back when nothing happens; does nothing while it collects.
  boost::asio::awaitable<void> rest();

  /// Removes what `request` says, now.
  boost::asio::awaitable<PruneReport> prune(PruneRequest request);

  /// For `kiln info`: what is used of what is allowed, and what keeps a limit from being kept.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> status() const;

 private:
  /// What wakes the loop; it outlives the collector as long as somebody may still want to.
  struct Alarm;

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> look();
  boost::asio::awaitable<void> look_at_ages();
  boost::asio::awaitable<void> wait();
  boost::asio::awaitable<void> measure();
  boost::asio::awaitable<PruneReport> collect(store::Goal goal,
                                              std::set<store::Disposable::Kind> kinds);
  boost::asio::awaitable<std::uint64_t> remove(std::vector<store::Disposable> others);
  [[nodiscard]] std::uint64_t wished_bytes() const;
  [[nodiscard]] std::uint64_t min_free_bytes() const;
  [[nodiscard]] bool is_busy() const;
  [[nodiscard]] bool is_near() const;
  void judge();
  void tell_once(std::string text);

  store::Store& store_;
  store::LeaseTable& leases_;
  ops::CacheMounts& cache_mounts_;
  ops::FailedSteps& failed_steps_;
  const GcLimits limits_;
  std::function<void(const std::string&)> tell_;
  std::shared_ptr<Alarm> alarm_;
  store::Accountant accountant_;  ///< used on the thread
  store::Sizes sizes_;
  std::uint64_t free_bytes_ = 0;   ///< of the file system
  std::uint64_t total_bytes_ = 0;  ///< of the file system
  std::chrono::steady_clock::time_point next_try_;
  std::chrono::milliseconds retry_{0};  ///< while nothing runs
  std::int64_t next_ages_ns_ = 0;
  bool looking_ = false;
  std::string trouble_;
  std::string told_;
  boost::asio::thread_pool thread_{1};
  os::TaskGroup tasks_;
};

}  // namespace kiln
