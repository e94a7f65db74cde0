// What a cached step costs: its key, and the record that the key has; beside one SHA-256 and one
// message to another thread and back.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <future>

#include "bench/micro/sample.h"
#include "builder/solver/cache_key.h"
#include "builder/store/store.h"
#include "tests/support/run_async.h"

namespace {

using namespace kiln;

std::vector<graph::KeyPart> parts_of(std::int64_t step) {
  return {{"op", "exec"},
          {"args", fmt::format("/bin/sh -c apt-get install -y package-{}", step)},
          {"env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
          {"cwd", "/app"}};
}

void make_key(benchmark::State& state) {
  const solver::CacheKey input = solver::make_key(parts_of(0), {});
  const std::vector<solver::CacheKey> inputs{input};
  std::int64_t step = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(solver::make_key(parts_of(++step), inputs));
}
BENCHMARK(make_key);

/// One of `records` records, 20 layers each, found by its key.
void find_record(benchmark::State& state) {
  const os::TempDir root(bench::scratch_parent(), "kiln-bench");
  store::Store store(root.path());
  const std::int64_t records = state.range(0);
  std::vector<std::string> keys;
  for (std::int64_t step = 0; step < records; ++step)
    keys.push_back(solver::make_key(parts_of(step), {}).digest.str());
  store.database().run_blocking([&](store::Tables& tables) {
    std::vector<store::LayerId> layers;
    store::LayerRow row;
    row.has_snapshot = true;
    for (int layer = 0; layer < 20; ++layer)
      layers.push_back(tables.add_layer(row));
    for (const std::string& key : keys)
      tables.put_record({.key = key, .layers = layers, .name = "RUN it", .parts = "[]"});
  });
  std::size_t next = 0;
  for (auto _ : state) {
    next = (next + 7919) % keys.size();
    const bool found = store.database().run_blocking(
        [&](store::Tables& tables) { return tables.record(keys[next]).has_value(); });
    if (!found) state.SkipWithError("a record is missing");
  }
}
BENCHMARK(find_record)->Arg(100)->Arg(10'000)->ArgName("records")->UseRealTime();

void limit_sha256(benchmark::State& state) {
  const std::string text(400, 'x');
  for (auto _ : state)
    benchmark::DoNotOptimize(sha256(std::string_view(text)));
}
BENCHMARK(limit_sha256);

void limit_other_thread(benchmark::State& state) {
  boost::asio::thread_pool thread{1};
  for (auto _ : state) {
    std::promise<int> answer;
    boost::asio::post(thread, [&answer] { answer.set_value(1); });
    benchmark::DoNotOptimize(answer.get_future().get());
  }
}
BENCHMARK(limit_other_thread)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
