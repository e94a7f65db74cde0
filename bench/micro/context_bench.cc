// What every build does with its context: list it, and make a digest of it; beside a bare walk and
// the hashing of as many bytes.
#include <benchmark/benchmark.h>
#include <ftw.h>
#include <openssl/evp.h>

#include <boost/asio/thread_pool.hpp>
#include <fstream>

#include "bench/micro/sample.h"
#include "builder/ops/context.h"
#include "builder/store/store.h"
#include "tests/support/run_async.h"

namespace {

using namespace kiln;

constexpr std::size_t kFiles = 10'000;
constexpr std::size_t kBytes = 90'000'000;

const bench::SampleTree& tree() {
  static const bench::SampleTree made(kFiles, kBytes);
  return made;
}

ops::ContextSelection select() {
  const auto directory = std::make_shared<const ops::ClientDirectory>(
      os::Dir::open(tree().path()), os::Peer{}, "the build context");
  return ops::select_context(directory, {"context", {""}, {}, {}, false, false}, {});
}

void count_files(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kFiles));
}

void walk(benchmark::State& state) {
  static_cast<void>(tree());
  for (auto _ : state)
    benchmark::DoNotOptimize(select());
  count_files(state);
}
BENCHMARK(walk)->Unit(benchmark::kMillisecond);

/// Every file is read: the store has never seen it.
void digest_unknown(benchmark::State& state) {
  boost::asio::thread_pool pool{static_cast<std::size_t>(state.range(0))};
  ops::ContextSelection selection = select();
  for (auto _ : state) {
    state.PauseTiming();
    const os::TempDir root(bench::scratch_parent(), "kiln-bench");
    auto store = std::make_unique<store::Store>(root.path());
    state.ResumeTiming();
    benchmark::DoNotOptimize(
        test::run_async(ops::digest_context(selection, store->database(), pool)));
    state.PauseTiming();
    store.reset();
    state.ResumeTiming();
  }
  count_files(state);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(tree().size_bytes()));
}
BENCHMARK(digest_unknown)
    ->Arg(1)
    ->Arg(2)
    ->ArgName("threads")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

/// No file is read: the store knows them all.
void digest_known(benchmark::State& state) {
  boost::asio::thread_pool pool{2};
  const os::TempDir root(bench::scratch_parent(), "kiln-bench");
  store::Store store(root.path());
  ops::ContextSelection selection = select();
  test::run_async(ops::digest_context(selection, store.database(), pool));
  for (auto _ : state)
    benchmark::DoNotOptimize(
        test::run_async(ops::digest_context(selection, store.database(), pool)));
  count_files(state);
}
BENCHMARK(digest_known)->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);

/// The C library's walk, which looks at each file as ours must, and keeps nothing.
void limit_nftw(benchmark::State& state) {
  const std::string root = tree().path().string();
  for (auto _ : state)
    if (::nftw(
            root.c_str(), [](const char*, const struct stat*, int, struct FTW*) { return 0; }, 64,
            FTW_PHYS) != 0)
      state.SkipWithError("nftw");
  count_files(state);
}
BENCHMARK(limit_nftw)->Unit(benchmark::kMillisecond);

/// SHA-256 by OpenSSL of as many bytes that are in memory, in pieces as long as a file.
void limit_sha256(benchmark::State& state) {
  const std::string text = bench::text_sample(kBytes);
  const std::size_t piece = kBytes / kFiles;
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  for (auto _ : state)
    for (std::size_t at = 0; at < text.size(); at += piece)
      EVP_Digest(text.data() + at, std::min(piece, text.size() - at), out.data(), nullptr,
                 EVP_sha256(), nullptr);
  count_files(state);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(limit_sha256)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
