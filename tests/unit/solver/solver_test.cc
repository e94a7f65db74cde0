#include "builder/solver/solver.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <set>

#include "builder/store/store.h"
#include "tests/support/scratch.h"

namespace kiln::solver {
namespace {

namespace asio = boost::asio;

/// Records what it is asked to do; every run adds a layer.
class Recorder final : public Executor {
 public:
  Recorder(const graph::Graph& graph, store::Database& database)
      : graph_(graph), database_(database) {}

  asio::awaitable<std::vector<graph::KeyPart>> source_parts(graph::VertexId, Listener) override {
    co_return std::vector<graph::KeyPart>{{"content", content}};
  }
  asio::awaitable<std::optional<std::vector<graph::KeyPart>>> content_parts(graph::VertexId,
                                                                            std::size_t input,
                                                                            Stack,
                                                                            Listener) override {
    if (input == 0 || selected.empty()) co_return std::nullopt;
    co_return std::vector<graph::KeyPart>{{"selected", selected}};
  }
  asio::awaitable<Stack> load(graph::VertexId, Listener) override { co_return Stack{}; }
  asio::awaitable<Stack> run(graph::VertexId vertex, std::vector<Stack> inputs, Listener) override {
    ran.push_back(graph_[vertex].name);
    if (graph_[vertex].name == fails) throw Error(Errc::step_failed, "exit code 1");
    auto add = [](store::Tables& tables) {
      store::LayerRow row;
      row.has_snapshot = true;
      return tables.add_layer(row);
    };
    Stack stack = inputs.empty() ? Stack{} : inputs.front();
    stack.push_back(co_await database_.run(add));
    co_return stack;
  }
  [[nodiscard]] bool usable(const std::vector<store::LayerRow>& layers) const override {
    return std::ranges::none_of(layers,
                                [this](const auto& layer) { return gone.contains(layer.id); });
  }

  std::string content = "v1";
  std::string selected;  ///< the content of what steps take from inputs other than the first
  std::string fails;
  std::vector<std::string> ran;
  std::set<store::LayerId> gone;

 private:
  const graph::Graph& graph_;
  store::Database& database_;
};

struct SolverTest : testing::Test {
  graph::VertexId exec(std::string name,
                       std::vector<graph::VertexId> inputs,
                       bool ignore_cache = false) {
    graph::ExecOp op;
    op.args = {"sh", "-c", name};
    return graph->add({op, std::move(inputs), {}, std::move(name), {}, ignore_cache});
  }
  graph::VertexId local() {
    return graph->add({graph::SourceOp(graph::LocalSource{"context", {}, {}, {}, false, false}),
                       {},
                       {},
                       "",
                       {},
                       false});
  }

  /// Solves for `target` with a fresh solver; what ran, in order.
  std::vector<std::string> solve(graph::VertexId target) {
    if (!recorder) recorder = std::make_shared<Recorder>(*graph, store.database());
    recorder->ran.clear();
    events.clear();
    StepCounter steps;
    asio::io_context io{1};
    Executions executions(io.get_executor(), 4);
    Solver solver(
        graph, recorder, executions, store.database(), leases,
        [this](BuildEvent event) { events.push_back(std::move(event)); }, steps);
    failure = nullptr;
    asio::co_spawn(io, solver.solve({target}),
                   [this](std::exception_ptr error, std::vector<Stack> stacks) {
                     failure = error;
                     if (!error) stack = stacks.front();
                   });
    io.run();
    failed_vertex = solver.failed_vertex();
    io.restart();
    asio::co_spawn(io, executions.in_flight.drain(), [](std::exception_ptr) {});
    io.run();
    return recorder->ran;
  }

  int count(StepOutcome outcome) {
    int found = 0;
    for (const BuildEvent& event : events) {
      const auto* ended = std::get_if<StepEnded>(&event);
      found += ended && ended->outcome == outcome ? 1 : 0;
    }
    return found;
  }

  using Reasons = std::map<std::string, MissReason>;
  /// Why steps ran, by their names.
  Reasons reasons() {
    std::map<int, std::string> names;
    Reasons found;
    for (const BuildEvent& event : events) {
      if (const auto* started = std::get_if<StepStarted>(&event))
        names[started->step] = started->name;
      if (const auto* explained = std::get_if<StepExplained>(&event))
        found[names[explained->step]] = explained->reason;
    }
    return found;
  }

  using Names = std::vector<std::string>;
  test::Scratch scratch;
  store::Store store{scratch / "root"};
  store::LeaseTable leases;
  std::shared_ptr<graph::Graph> graph = std::make_shared<graph::Graph>();
  std::shared_ptr<Recorder> recorder;
  std::vector<BuildEvent> events;
  std::exception_ptr failure;
  std::optional<graph::VertexId> failed_vertex;
  Stack stack;
};

TEST_F(SolverTest, RunsAChainOnceAndThenNothing) {
  const auto a = exec("a", {local()});
  const auto b = exec("b", {a});
  EXPECT_EQ(solve(b), (Names{"a", "b"}));
  const Stack first = stack;
  EXPECT_EQ(solve(b), Names{});
  EXPECT_EQ(stack, first);
  EXPECT_EQ(count(StepOutcome::cached), 2);
}

TEST_F(SolverTest, AStepThatRunsSaysWhy) {
  const auto a = exec("a", {local()});
  const auto b = exec("b", {a});
  solve(b);
  EXPECT_EQ(reasons(), (Reasons{{"a", MissReason::first}, {"b", MissReason::first}}));
  solve(b);
  EXPECT_EQ(reasons(), Reasons{});
  recorder->content = "v2";
  solve(b);
  EXPECT_EQ(reasons(), (Reasons{{"a", MissReason::changed}, {"b", MissReason::changed}}));
  recorder->gone = {stack.back()};
  solve(b);
  EXPECT_EQ(reasons(), (Reasons{{"b", MissReason::gone}}));
  solve(exec("forced", {a}, true));
  EXPECT_EQ(reasons(), (Reasons{{"forced", MissReason::no_cache}}));
}
TEST_F(SolverTest, RunsASharedInputOnce) {
  const auto base = exec("base", {});
  const auto left = exec("left", {base});
  const auto right = exec("right", {base});
  const auto join = exec("join", {left, right});
  Names ran = solve(join);
  std::ranges::sort(ran);
  EXPECT_EQ(ran, (Names{"base", "join", "left", "right"}));
}

TEST_F(SolverTest, ARebuiltInputOfEqualContentStopsTheRebuild) {
  const auto builder = exec("builder", {local()});
  const auto base = exec("base", {});
  const auto copy = exec("copy", {base, builder});
  const auto last = exec("last", {copy});
  recorder = std::make_shared<Recorder>(*graph, store.database());
  recorder->selected = "equal";
  EXPECT_EQ(solve(last).size(), 4U);
  const Stack first = stack;
  recorder->content = "v2";
  EXPECT_EQ(solve(last), Names{"builder"});
  EXPECT_EQ(stack, first);
  EXPECT_EQ(count(StepOutcome::cached), 3);
  EXPECT_EQ(solve(last), Names{});  // now by its definition
  recorder->content = "v3";
  recorder->selected = "other";
  EXPECT_EQ(solve(last), (Names{"builder", "copy", "last"}));
}

TEST_F(SolverTest, AnInputThatCountsAsAWholeIsKnownByItsLayers) {
  const auto builder = exec("builder", {local()});
  const auto next = exec("next", {builder});
  solve(next);
  recorder->content = "v2";
  EXPECT_EQ(solve(next), (Names{"builder", "next"}));
}

TEST_F(SolverTest, LeavesAloneWhatTheTargetDoesNotNeed) {
  const auto a = exec("a", {});
  exec("unused", {a});
  EXPECT_EQ(solve(a), Names{"a"});
}

TEST_F(SolverTest, ChangedContentRunsWhatDependsOnIt) {
  const auto a = exec("a", {});
  const auto b = exec("b", {a, local()});
  solve(b);
  recorder->content = "v2";
  EXPECT_EQ(solve(b), Names{"b"});
  recorder->content = "v1";
  EXPECT_EQ(solve(b), Names{});
}

TEST_F(SolverTest, AHitNeedsNothingBelowIt) {
  const auto a = exec("a", {});
  const auto b = exec("b", {a});
  solve(b);
  const Stack both = stack;
  // The record of `a` alone is gone: its layer stays, as a part of b's file system.
  auto forget = [&](store::Tables& tables) {
    for (const store::RecordRow& row : tables.records()) {
      if (row.name == "a") tables.remove_record(row.key);
    }
  };
  store.database().run_blocking(forget);
  EXPECT_EQ(solve(b), Names{});
  EXPECT_EQ(stack, both);
}

TEST_F(SolverTest, ARecordWhoseLayerIsGoneIsAMiss) {
  const auto a = exec("a", {});
  solve(a);
  recorder->gone.insert(stack.back());
  EXPECT_EQ(solve(a), Names{"a"});
}

TEST_F(SolverTest, IgnoringTheCacheRunsAlways) {
  const auto a = exec("a", {}, true);
  EXPECT_EQ(solve(a), Names{"a"});
  EXPECT_EQ(solve(a), Names{"a"});
}

TEST_F(SolverTest, SaysWhatFailedAndNotThatOthersWaitedForIt) {
  const auto base = exec("base", {});
  const auto join = exec("join", {exec("left", {base}), exec("right", {base})});
  recorder = std::make_shared<Recorder>(*graph, store.database());
  recorder->fails = "base";
  solve(join);
  ASSERT_TRUE(failure != nullptr);
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::step_failed) << error.what();
  }
  EXPECT_EQ(failed_vertex, base);
}

TEST_F(SolverTest, NamesTheVertexThatFailedAndRecordsNothingOfIt) {
  const auto a = exec("a", {});
  const auto b = exec("b", {a});
  recorder = std::make_shared<Recorder>(*graph, store.database());
  recorder->fails = "b";
  solve(b);
  EXPECT_TRUE(failure != nullptr);
  EXPECT_EQ(failed_vertex, b);
  EXPECT_EQ(count(StepOutcome::failed), 1);
  recorder->fails.clear();
  EXPECT_EQ(solve(b), Names{"b"});
}

}  // namespace
}  // namespace kiln::solver
