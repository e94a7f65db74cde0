// What all builds share while steps run: single flight, the limit on running steps, and who
// listens.
//
// Thread: the event loop's.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "builder/os/task_group.h"
#include "builder/solver/executor.h"
#include "builder/solver/in_flight.h"
#include "builder/store/lease.h"

namespace kiln::solver {

/// The output of one running step, given to every build that waits for it; who joins late gets what
/// was said before, as far as it is kept (the last kReplayBytes).
class Broadcast final : public StepListener {
 public:
  static constexpr std::size_t kReplayBytes = 1024 * 1024;

  void log(int stream, std::string_view text) override;
  void progress(std::string_view item,
                std::uint64_t current_bytes,
                std::uint64_t total_bytes) override;
  void phase(const PhaseSpan& span) override;
  void explained(const StepExplained& explained) override;

  /// Listens until it is destroyed.
  class Subscription {
   public:
    Subscription(std::shared_ptr<Broadcast> broadcast, StepListener& listener);
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription();

   private:
    std::shared_ptr<Broadcast> broadcast_;
    std::list<StepListener*>::iterator place_;
  };

 private:
  std::list<StepListener*> listeners_;
  std::list<std::pair<int, std::string>> said_;
  std::size_t said_bytes_ = 0;
  std::optional<StepExplained> explained_;
};

/// A step's result, held against garbage collection for as long as anyone has it.
struct Outcome {
  Outcome(Stack layers, store::LeaseTable& leases);
  Stack stack;
  store::Lease lease;
};
using SharedOutcome = std::shared_ptr<const Outcome>;

/// A result, and whether the step ran for it or a record of equal content was found.
struct Executed {
  SharedOutcome outcome;
  bool ran = false;
};

/// One for the whole builder.
struct Executions {
  Executions(boost::asio::any_io_executor executor, int max_running_steps)
      : in_flight(executor), slots(executor, max_running_steps) {}

  /// The broadcast of the running step `key`, made when there is none.
  [[nodiscard]] std::shared_ptr<Broadcast> broadcast(const std::string& key);

  InFlight<Executed> in_flight;
  os::Limiter slots;

 private:
  std::map<std::string, std::weak_ptr<Broadcast>> broadcasts_;
};

}  // namespace kiln::solver
