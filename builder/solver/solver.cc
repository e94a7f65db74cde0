#include "builder/solver/solver.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <ranges>

#include "builder/os/file.h"
#include "builder/solver/execution.h"
#include "builder/solver/lookup.h"

namespace kiln::solver {

namespace asio = boost::asio;
using graph::VertexId;

/// What is known of one vertex.
struct Solver::State {
  std::vector<graph::KeyPart> source_parts;
  std::optional<CacheKey> key;
  SharedOutcome outcome;  ///< the record's on a hit, the run's after a miss
  std::string from;       ///< the remote cache of a hit
  bool hit = false;
  bool gone = false;  ///< there was a record, of layers that are gone
  bool ran = false;
  bool needed = false;
  bool failed = false;
  std::shared_ptr<os::Event> done;  ///< set while someone evaluates it
  int step = 0;
};

/// Shows one step: its start, output and end.
class Solver::Reporter final : public StepListener {
 public:
  Reporter(Solver& solver, VertexId vertex)
      : events_(solver.events_), build_start_(solver.steps_.began()) {
    const std::string& name = (*solver.graph_)[vertex].name;
    if (name.empty()) return;  // a vertex that users did not write
    step_ = solver.states_[vertex].step = solver.steps_.next();
    events_(StepStarted{step_, name});
  }

  void log(int stream, std::string_view text) override {
    if (step_ != 0) events_(StepLog{step_, stream, std::string(text)});
  }
  void progress(std::string_view item,
                std::uint64_t current_bytes,
                std::uint64_t total_bytes) override {
    if (step_ != 0) events_(StepProgress{step_, std::string(item), current_bytes, total_bytes});
  }
  void explained(const StepExplained& explained) override {
    if (step_ == 0) return;
    StepExplained own = explained;
    own.step = step_;
    events_(std::move(own));
  }
  void phase(const PhaseSpan& span) override {
    if (step_ != 0) events_(to_event(step_, span, build_start_, start_));
  }
  void end(StepOutcome outcome) {
    const auto elapsed = std::chrono::steady_clock::now() - start_;
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count();
    if (step_ != 0) events_(StepEnded{step_, outcome, ms});
  }

 private:
  const EventSink& events_;
  StepCounter::Clock::time_point build_start_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int step_ = 0;
};

StepPhase to_event(int step,
                   const PhaseSpan& span,
                   StepCounter::Clock::time_point build_start,
                   StepCounter::Clock::time_point step_start) {
  const auto to_ns = [](StepCounter::Clock::duration duration) -> std::int64_t {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
  };
  const auto from = std::max({span.from, step_start, build_start});
  return {step,
          span.phase,
          span.item,
          to_ns(from - build_start),
          to_ns(std::max(span.to, from) - from),
          span.bytes};
}

Solver::Solver(std::shared_ptr<const graph::Graph> graph,
               std::shared_ptr<Executor> executor,
               Executions& executions,
               store::Database& database,
               store::LeaseTable& leases,
               EventSink events,
               StepCounter& steps,
               std::shared_ptr<RemoteRecords> remote)
    : graph_(std::move(graph)),
      remote_(std::move(remote)),
      executor_(std::move(executor)),
      executions_(executions),
      database_(database),
      leases_(leases),
      events_(std::move(events)),
      steps_(steps),
      states_(graph_->size()) {}

Solver::~Solver() = default;

int Solver::step_of(VertexId vertex) const {
  return states_.at(vertex).step;
}

asio::awaitable<std::vector<Stack>> Solver::solve(std::vector<VertexId> targets) {
  closure_ = graph_->closure(targets);
  auto since = StepCounter::Clock::now();
  co_await identify_sources();
  tell_key_phase("content of contexts", since);
  since = StepCounter::Clock::now();
  make_keys();
  co_await look_up();
  tell_key_phase("cache lookup", since);
  choose_needed(targets);
  if (remote_ && misses()) co_await look_up_remotely(targets);
  report_cached();

  std::vector<asio::awaitable<void>> evaluations;
  for (const VertexId target : targets)
    evaluations.push_back(evaluate(target));
  try {
    co_await os::all_of(std::move(evaluations));
  } catch (...) {
    // What arrives first may be a step that was cancelled for the one that failed.
    if (failure_) std::rethrow_exception(failure_);
    throw;
  }
  co_await touch_hits();

  std::vector<Stack> stacks;
  for (const VertexId target : targets)
    stacks.push_back(states_[target].outcome->stack);
  co_return stacks;
}

asio::awaitable<void> Solver::identify_sources() {
  std::vector<asio::awaitable<void>> tasks;
  for (const VertexId vertex : closure_) {
    if (is_source((*graph_)[vertex])) tasks.push_back(identify_source(vertex));
  }
  co_await os::all_of(std::move(tasks));
}

asio::awaitable<void> Solver::identify_source(VertexId vertex) {
  try {
    states_[vertex].source_parts =
        co_await executor_->source_parts(vertex, std::make_shared<SilentListener>());
  } catch (const Error&) {
    if (!failed_vertex_) {
      failed_vertex_ = blamed_for(vertex);
      Reporter(*this, *failed_vertex_).end(StepOutcome::failed);
    }
    throw;
  }
}

VertexId Solver::blamed_for(VertexId source) const {
  if (!graph::local_source((*graph_)[source])) return source;
  const auto user = std::ranges::find_if(closure_, [&](VertexId vertex) {
    const std::vector<VertexId>& inputs = (*graph_)[vertex].inputs;
    return std::ranges::find(inputs, source) != inputs.end();
  });
  return user == closure_.end() ? source : *user;
}

void Solver::make_keys() {
  for (const VertexId vertex : closure_) {
    std::vector<graph::KeyPart> parts = graph::key_parts((*graph_)[vertex]);
    for (graph::KeyPart& part : states_[vertex].source_parts)
      parts.push_back(std::move(part));
    std::vector<CacheKey> inputs;
    for (const VertexId input : (*graph_)[vertex].inputs) {
      inputs.push_back({states_[input].key->digest, {}});
    }
    states_[vertex].key = make_key(std::move(parts), inputs);
  }
}

asio::awaitable<void> Solver::look_up() {
  auto find = [this](store::Tables& tables) {
    for (const VertexId vertex : closure_) {
      if (!may_be_cached(vertex)) continue;
      State& state = states_[vertex];
      // The lease is taken in the transaction that finds the record: collection looks at leases in
      // its own transaction, so it sees either the lease or no record.
      Found found = find_usable(tables, state.key->digest.str(), *executor_, leases_);
      state.gone = found.gone;
      state.outcome = std::move(found.outcome);
      state.hit = state.outcome != nullptr;
    }
  };
  co_await database_.run(find);
}

bool Solver::may_be_cached(VertexId vertex) const {
  const graph::Vertex& definition = (*graph_)[vertex];
  return !is_source(definition) && !definition.ignore_cache;
}

void Solver::choose_needed(std::vector<VertexId> targets) {
  while (!targets.empty()) {
    const VertexId vertex = targets.back();
    targets.pop_back();
    if (std::exchange(states_[vertex].needed, true) || states_[vertex].hit) continue;
    const std::vector<VertexId>& inputs = (*graph_)[vertex].inputs;
    targets.insert(targets.end(), inputs.begin(), inputs.end());
  }
}

bool Solver::misses() const {
  return std::ranges::any_of(closure_, [this](VertexId vertex) {
    return states_[vertex].needed && !states_[vertex].hit && may_be_cached(vertex);
  });
}

/// From the targets down, so that nothing is taken that nobody needs.
asio::awaitable<void> Solver::look_up_remotely(std::vector<VertexId> targets) {
  co_await remote_->load();
  for (State& state : states_)
    state.needed = false;
  while (!targets.empty()) {
    const VertexId vertex = targets.back();
    targets.pop_back();
    State& state = states_[vertex];
    if (std::exchange(state.needed, true) || state.hit) continue;
    if (may_be_cached(vertex) && co_await take_remote(vertex)) continue;
    const std::vector<VertexId>& inputs = (*graph_)[vertex].inputs;
    targets.insert(targets.end(), inputs.begin(), inputs.end());
  }
}

asio::awaitable<bool> Solver::take_remote(VertexId vertex) {
  State& state = states_[vertex];
  const std::optional<RemoteRecord> record = co_await remote_->by_key(state.key->digest.str());
  if (!record) co_return false;
  auto take = [&](store::Tables& tables) { return adopt(tables, *record, *executor_, leases_); };
  state.outcome = co_await database_.run(take);
  state.hit = state.outcome != nullptr;
  state.from = record->from;
  co_return state.hit;
}

std::vector<Solver::Solved> Solver::solved() const {
  std::vector<Solved> solved;
  for (const VertexId vertex : closure_) {
    const State& state = states_[vertex];
    if (!is_source((*graph_)[vertex]) && state.outcome)
      solved.push_back({state.key->digest.str(), state.outcome->stack});
  }
  return solved;
}

void Solver::report_cached() {
  // What a remote record stands for came with it.
  for (const VertexId vertex : std::views::reverse(closure_)) {
    for (const VertexId input : (*graph_)[vertex].inputs) {
      if (!states_[input].hit && !states_[input].needed) states_[input].from = states_[vertex].from;
    }
  }
  for (const VertexId vertex : closure_) {
    const State& state = states_[vertex];
    if (state.needed && !state.hit) continue;
    Reporter reporter(*this, vertex);
    if (!state.from.empty()) reporter.log(1, "imported from " + state.from + "\n");
    reporter.end(StepOutcome::cached);
  }
}

asio::awaitable<void> Solver::evaluate(VertexId vertex) {
  State& state = states_[vertex];
  if (state.outcome) co_return;
  if (state.done) {  // another user of this vertex is at it
    co_await state.done->wait();
    if (!state.outcome) throw Error(Errc::cancelled, "a step that this one needs did not end");
    co_return;
  }
  state.done = std::make_shared<os::Event>(co_await asio::this_coro::executor);
  const auto done = state.done;
  try {
    co_await evaluate_now(vertex);
  } catch (...) {
    done->set();
    throw;
  }
  done->set();
}

asio::awaitable<void> Solver::evaluate_now(VertexId vertex) {
  std::vector<asio::awaitable<void>> inputs;
  for (const VertexId input : (*graph_)[vertex].inputs)
    inputs.push_back(evaluate(input));
  co_await os::all_of(std::move(inputs));

  Reporter reporter(*this, vertex);
  std::exception_ptr failure;
  StepOutcome outcome = StepOutcome::done;
  try {
    const auto broadcast = executions_.broadcast(states_[vertex].key->digest.str());
    const Broadcast::Subscription subscription(broadcast, reporter);
    Executed executed = co_await execute_once(vertex);
    states_[vertex].outcome = std::move(executed.outcome);
    states_[vertex].ran = executed.ran;
    if (!executed.ran) outcome = StepOutcome::cached;
    if (executed.ran && observer_) observer_(vertex, states_[vertex].outcome->stack);
  } catch (const boost::system::system_error&) {
    failure = std::current_exception();
    outcome = StepOutcome::cancelled;
  } catch (...) {
    failure = std::current_exception();
    outcome = StepOutcome::failed;
    if (!failure_) failure_ = failure;
    if (!failed_vertex_) failed_vertex_ = vertex;
  }
  reporter.end(outcome);
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<Executed> Solver::execute_once(VertexId vertex) {
  std::vector<Digest> input_keys;
  std::vector<SharedOutcome> inputs;
  std::vector<DescribedInput> described;
  for (const VertexId input : (*graph_)[vertex].inputs) {
    const State& state = states_[input];
    const bool source = is_source((*graph_)[input]);
    described.push_back({input, (*graph_)[input].name,
                         source ? state.key->parts : std::vector<graph::KeyPart>{}, state.ran});
    input_keys.push_back(states_[input].key->digest);
    inputs.push_back(states_[input].outcome);
  }
  std::string key = states_[vertex].key->digest.str();
  const auto execution = std::make_shared<const Execution>(
      graph_, executor_, executions_, database_, leases_, vertex, *states_[vertex].key,
      std::move(input_keys), std::move(inputs), std::move(described), states_[vertex].gone,
      executions_.broadcast(key), remote_, &steps_);
  // A step that must not use the cache is nobody else's either.
  if ((*graph_)[vertex].ignore_cache) key += fmt::format(" {}", static_cast<const void*>(this));
  co_return co_await executions_.in_flight.run(std::move(key),
                                               [execution] { return execute(execution); });
}

void Solver::tell_key_phase(std::string item, StepCounter::Clock::time_point from) {
  const PhaseSpan span{Phase::key, std::move(item), from, StepCounter::Clock::now(), 0};
  events_(to_event(0, span, steps_.began(), from));
}

asio::awaitable<void> Solver::touch_hits() {
  auto touch = [this, now = os::now_ns()](store::Tables& tables) {
    for (const VertexId vertex : closure_) {
      if (states_[vertex].hit) tables.touch_record(states_[vertex].key->digest.str(), now);
    }
  };
  co_await database_.run(touch);
}

}  // namespace kiln::solver
