// A tree to a tar, a tree to a layer blob, a blob to a tree; beside `cp -r` of the same tree.
#include <benchmark/benchmark.h>

#include "bench/micro/sample.h"
#include "builder/layer/apply_layer.h"
#include "builder/layer/write_layer.h"

namespace {

using namespace kiln;
using layer::Compression;

const bench::SampleTree& tree() {
  static const bench::SampleTree made(10'000, 90'000'000);
  return made;
}

void report(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(tree().size_bytes()));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(tree().files()));
}

class NullSink final : public Sink {
 public:
  void write(Bytes bytes) override { benchmark::DoNotOptimize(bytes.data()); }
};

void tar_write(benchmark::State& state) {
  static_cast<void>(tree());
  for (auto _ : state) {
    NullSink sink;
    layer::write_tree(tree().path(), sink, {});
  }
  report(state);
}
BENCHMARK(tar_write)->Unit(benchmark::kMillisecond);

/// Walk, tar, digest, compression, digest, and the file in the store.
void write_layer(benchmark::State& state, Compression compression) {
  layer::WriteOptions options;
  options.compression = compression;
  options.threads = static_cast<int>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    const os::TempDir root(bench::scratch_parent(), "kiln-bench");
    const store::BlobStore blobs(root.path());
    state.ResumeTiming();
    benchmark::DoNotOptimize(layer::write_layer(tree().path(), options, blobs, {}));
    state.PauseTiming();
    os::remove_tree(root.path());
    state.ResumeTiming();
  }
  report(state);
}
BENCHMARK_CAPTURE(write_layer, none, Compression::none)
    ->Arg(1)
    ->ArgName("threads")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_layer, gzip, Compression::gzip)
    ->Arg(1)
    ->Arg(2)
    ->ArgName("threads")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_layer, zstd, Compression::zstd)
    ->Arg(1)
    ->Arg(2)
    ->ArgName("threads")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

/// Inflate, digest, and the files of the tree.
void apply_layer(benchmark::State& state, Compression compression) {
  const os::TempDir root(bench::scratch_parent(), "kiln-bench");
  const store::BlobStore blobs(root.path());
  layer::WriteOptions options;
  options.compression = compression;
  const layer::LayerBlob blob = layer::write_layer(tree().path(), options, blobs, {});
  for (auto _ : state) {
    state.PauseTiming();
    auto target = std::make_unique<os::TempDir>(bench::scratch_parent(), "kiln-bench");
    state.ResumeTiming();
    benchmark::DoNotOptimize(
        layer::apply_layer(blobs.open(blob.descriptor.digest), os::Dir::open(target->path()), {}));
    state.PauseTiming();
    target.reset();
    state.ResumeTiming();
  }
  report(state);
}
BENCHMARK_CAPTURE(apply_layer, none, Compression::none)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(apply_layer, gzip, Compression::gzip)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(apply_layer, zstd, Compression::zstd)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

/// The files alone: read and made again by the machine's own tool, nothing packed or hashed.
void limit_cp(benchmark::State& state) {
  static_cast<void>(tree());
  for (auto _ : state) {
    state.PauseTiming();
    auto target = std::make_unique<os::TempDir>(bench::scratch_parent(), "kiln-bench");
    state.ResumeTiming();
    bench::copy_by_cp(tree().path(), target->path() / "copy");
    state.PauseTiming();
    target.reset();
    state.ResumeTiming();
  }
  report(state);
}
BENCHMARK(limit_cp)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
