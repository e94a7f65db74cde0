// Decides what of a graph must run, and runs each of it once.
//
//   1. sources say what they are          (manifest digests, content of local files)
//   2. every vertex gets its definition key   (own operation + inputs' keys)
//   3. one transaction looks all keys up
//   4. from the targets down: a hit ends the walk, a miss needs its inputs
//      (where something is missing, the same once more with the records of other machines)
//   5. for misses, inputs side by side: where what a step takes of its inputs has content that is
//      known from a record, that is its result; else it runs, and its result is recorded
//
// A fully cached graph does 1 to 4 and nothing else. Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "builder/graph/graph.h"
#include "builder/solver/cache_key.h"
#include "builder/solver/executions.h"
#include "builder/solver/executor.h"
#include "builder/solver/remote_records.h"
#include "builder/store/lease.h"
#include "proto/messages.h"

namespace kiln::solver {

/// Numbers the steps of a build from 1, and knows when it began; shared by all that show some.
class StepCounter {
 public:
  using Clock = std::chrono::steady_clock;

  int next() noexcept { return ++last_; }
  [[nodiscard]] Clock::time_point began() const noexcept { return began_; }

 private:
  int last_ = 0;
  Clock::time_point began_ = Clock::now();
};

/// A phase as an event of `step`, which began at `step_start`: what was done for another build
/// before that is not its time. 0 is the build itself.
[[nodiscard]] StepPhase to_event(int step,
                                 const PhaseSpan& span,
                                 StepCounter::Clock::time_point build_start,
                                 StepCounter::Clock::time_point step_start);

class Solver {
 public:
  /// All references outlive the solver; `executor` may outlive it with work that others wait for.
  Solver(std::shared_ptr<const graph::Graph> graph,
         std::shared_ptr<Executor> executor,
         Executions& executions,
         store::Database& database,
         store::LeaseTable& leases,
         EventSink events,
         StepCounter& steps,
         std::shared_ptr<RemoteRecords> remote = nullptr);
  ~Solver();

  /// Called for each vertex that was executed, with its root file system, before what needs it.
  using Observer = std::function<void(graph::VertexId, const Stack&)>;
  void when_run(Observer observer) { observer_ = std::move(observer); }

  /// The root file systems of the targets. Throws what the first failing step throws;
  /// failed_vertex() then says which one that was.
  boost::asio::awaitable<std::vector<Stack>> solve(std::vector<graph::VertexId> targets);

  [[nodiscard]] std::optional<graph::VertexId> failed_vertex() const noexcept {
    return failed_vertex_;
  }
  /// The steps whose results are known, with the keys that they are recorded under: all that were
  /// needed, and of the others those that this store has a record of.
  struct Solved {
    std::string key;
    Stack stack;
  };
  [[nodiscard]] std::vector<Solved> solved() const;
  /// The step number under which a vertex was shown; 0 when it was not.
  [[nodiscard]] int step_of(graph::VertexId vertex) const;

 private:
  struct State;
  class Reporter;

  boost::asio::awaitable<void> identify_sources();
  boost::asio::awaitable<void> identify_source(graph::VertexId vertex);
  /// Who is to blame for a source that cannot be read: of local files the step that names them.
  [[nodiscard]] graph::VertexId blamed_for(graph::VertexId source) const;
  void make_keys();
  boost::asio::awaitable<void> look_up();
  [[nodiscard]] bool may_be_cached(graph::VertexId vertex) const;
  void choose_needed(std::vector<graph::VertexId> targets);
  [[nodiscard]] bool misses() const;
  boost::asio::awaitable<void> look_up_remotely(std::vector<graph::VertexId> targets);
  boost::asio::awaitable<bool> take_remote(graph::VertexId vertex);
  void report_cached();
  boost::asio::awaitable<void> evaluate(graph::VertexId vertex);
  boost::asio::awaitable<void> evaluate_now(graph::VertexId vertex);
  boost::asio::awaitable<Executed> execute_once(graph::VertexId vertex);
  boost::asio::awaitable<void> touch_hits();
  void tell_key_phase(std::string item, StepCounter::Clock::time_point from);

  std::shared_ptr<const graph::Graph> graph_;
  std::shared_ptr<RemoteRecords> remote_;
  std::shared_ptr<Executor> executor_;
  Executions& executions_;
  store::Database& database_;
  store::LeaseTable& leases_;
  EventSink events_;
  StepCounter& steps_;
  Observer observer_;
  std::vector<graph::VertexId> closure_;
  std::vector<State> states_;
  std::optional<graph::VertexId> failed_vertex_;
  std::exception_ptr failure_;  ///< of the first step that failed, not of those cancelled for it
};

}  // namespace kiln::solver
