// Compressing and inflating layers, beside what a plain call of the libraries and the machine's
// memory can do.
#include <benchmark/benchmark.h>
#include <libdeflate.h>
#include <zstd.h>

#include <cstring>
#include <isa-l/igzip_lib.h>
#include <memory>
#include <vector>

#include "bench/micro/sample.h"
#include "builder/layer/compress.h"
#include "proto/digest.h"

namespace {

using namespace kiln;
using layer::Compression;

constexpr std::size_t kSampleBytes = 64 << 20;

/// 0: text, 1: programs.
const std::string& sample(std::int64_t kind) {
  static const std::string text = bench::text_sample(kSampleBytes);
  static const std::string binary = bench::binary_sample(kSampleBytes);
  return kind == 0 ? text : binary;
}

class NullSink final : public Sink {
 public:
  void write(Bytes bytes) override { benchmark::DoNotOptimize(bytes.data()); }
};

void report(benchmark::State& state, const std::string& input, std::size_t output_bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.size()));
  state.counters["of_input"] =
      static_cast<double>(output_bytes) / static_cast<double>(input.size());
}

std::string compressed(const std::string& input, Compression compression) {
  StringSink sink(2 * kSampleBytes);
  const auto compressor = layer::make_compressor(compression, sink, 2);
  compressor->write(as_bytes(input));
  compressor->finish();
  return sink.take();
}

void compress(benchmark::State& state, Compression compression) {
  const std::string& input = sample(state.range(0));
  std::uint64_t output_bytes = 0;
  for (auto _ : state) {
    NullSink null;
    CountingSink counted(null);
    const auto compressor =
        layer::make_compressor(compression, counted, static_cast<int>(state.range(1)));
    for (std::size_t at = 0; at < input.size(); at += 256 * 1024)
      compressor->write(as_bytes(std::string_view(input).substr(at, 256 * 1024)));
    compressor->finish();
    output_bytes = counted.count_bytes();
  }
  report(state, input, output_bytes);
}
BENCHMARK_CAPTURE(compress, gzip, Compression::gzip)
    ->ArgsProduct({{0, 1}, {1, 2}})
    ->ArgNames({"programs", "threads"})
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(compress, zstd, Compression::zstd)
    ->ArgsProduct({{0, 1}, {1, 2}})
    ->ArgNames({"programs", "threads"})
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void inflate(benchmark::State& state, Compression compression) {
  const std::string input = compressed(sample(state.range(0)), compression);
  std::vector<std::byte> buffer(256 * 1024);
  std::size_t output_bytes = 0;
  for (auto _ : state) {
    const auto source =
        layer::make_decompressor(std::make_unique<BytesSource>(as_bytes(input)), false);
    output_bytes = 0;
    while (const std::size_t count = source->read(buffer))
      output_bytes += count;
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(output_bytes));
}
BENCHMARK_CAPTURE(inflate, gzip, Compression::gzip)->Arg(0)->Arg(1)->ArgName("programs");
BENCHMARK_CAPTURE(inflate, zstd, Compression::zstd)->Arg(0)->Arg(1)->ArgName("programs");

/// The limit of one thread: libdeflate's own call on all of the input.
void limit_libdeflate(benchmark::State& state) {
  const std::string& input = sample(state.range(0));
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(static_cast<int>(state.range(1))), libdeflate_free_compressor);
  std::vector<char> output(libdeflate_gzip_compress_bound(compressor.get(), input.size()));
  std::size_t output_bytes = 0;
  for (auto _ : state)
    output_bytes = libdeflate_gzip_compress(compressor.get(), input.data(), input.size(),
                                            output.data(), output.size());
  report(state, input, output_bytes);
}
BENCHMARK(limit_libdeflate)->ArgsProduct({{0, 1}, {1, 2, 6}})->ArgNames({"programs", "level"});

/// What less compression would bring: ISA-L, likewise.
void limit_isal_deflate(benchmark::State& state) {
  const std::string& input = sample(state.range(0));
  const auto level = static_cast<std::uint32_t>(state.range(1));
  std::vector<std::uint8_t> output(2 * input.size());
  std::vector<std::uint8_t> level_buffer(ISAL_DEF_LVL3_DEFAULT);
  std::size_t output_bytes = 0;
  for (auto _ : state) {
    isal_zstream stream;
    isal_deflate_init(&stream);
    stream.level = level;
    stream.level_buf = level_buffer.data();
    stream.level_buf_size = static_cast<std::uint32_t>(level_buffer.size());
    stream.end_of_stream = 1;
    stream.gzip_flag = IGZIP_GZIP;
    stream.next_in = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(input.data()));
    stream.avail_in = static_cast<std::uint32_t>(input.size());
    stream.next_out = output.data();
    stream.avail_out = static_cast<std::uint32_t>(output.size());
    if (isal_deflate(&stream) != COMP_OK) state.SkipWithError("isal_deflate");
    output_bytes = stream.total_out;
  }
  report(state, input, output_bytes);
}
BENCHMARK(limit_isal_deflate)->ArgsProduct({{0, 1}, {1, 2, 3}})->ArgNames({"programs", "level"});

/// ISA-L's call ends with the first member.
std::string one_member(const std::string& input) {
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(2), libdeflate_free_compressor);
  std::string output(libdeflate_gzip_compress_bound(compressor.get(), input.size()), '\0');
  output.resize(libdeflate_gzip_compress(compressor.get(), input.data(), input.size(),
                                         output.data(), output.size()));
  return output;
}

void limit_isal_inflate(benchmark::State& state) {
  const std::string input = one_member(sample(state.range(0)));
  std::vector<std::uint8_t> output(kSampleBytes);
  for (auto _ : state) {
    inflate_state stream;
    isal_inflate_init(&stream);
    stream.crc_flag = ISAL_GZIP;
    stream.next_in = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(input.data()));
    stream.avail_in = static_cast<std::uint32_t>(input.size());
    stream.next_out = output.data();
    stream.avail_out = static_cast<std::uint32_t>(output.size());
    if (isal_inflate(&stream) != ISAL_DECOMP_OK) state.SkipWithError("isal_inflate");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kSampleBytes));
}
BENCHMARK(limit_isal_inflate)->Arg(0)->Arg(1)->ArgName("programs");

void limit_zstd(benchmark::State& state) {
  const std::string& input = sample(state.range(0));
  std::vector<char> output(ZSTD_compressBound(input.size()));
  std::size_t output_bytes = 0;
  for (auto _ : state)
    output_bytes = ZSTD_compress(output.data(), output.size(), input.data(), input.size(), 3);
  report(state, input, output_bytes);
}
BENCHMARK(limit_zstd)->Arg(0)->Arg(1)->ArgName("programs");

/// What every byte of a layer must pass twice: as tar, and once more as blob.
void limit_sha256(benchmark::State& state) {
  const std::string& input = sample(0);
  for (auto _ : state)
    benchmark::DoNotOptimize(sha256(std::string_view(input)));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.size()));
}
BENCHMARK(limit_sha256);

void limit_memcpy(benchmark::State& state) {
  const std::string& input = sample(0);
  std::vector<char> output(input.size());
  for (auto _ : state) {
    std::memcpy(output.data(), input.data(), input.size());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.size()));
}
BENCHMARK(limit_memcpy);

}  // namespace

BENCHMARK_MAIN();
