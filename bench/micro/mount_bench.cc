// Mounting and unmounting what a step runs in, by the number of its layers. Needs root.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <string>

#include "bench/micro/sample.h"
#include "builder/os/mount.h"
#include "builder/snapshot/workspace.h"

namespace {

using namespace kiln;

/// Directories that stand for layers.
class Layers {
 public:
  explicit Layers(std::int64_t count) : dir_(bench::scratch_parent(), "kiln-bench") {
    for (std::int64_t layer = 0; layer < count; ++layer) {
      paths_.push_back(dir_.path() / std::to_string(layer));
      std::filesystem::create_directories(paths_.back() / "usr" / std::to_string(layer));
    }
  }
  [[nodiscard]] const std::vector<std::filesystem::path>& paths() const { return paths_; }

 private:
  os::TempDir dir_;
  std::vector<std::filesystem::path> paths_;
};

/// A writable root: directories made, mounted, unmounted, removed.
void workspace(benchmark::State& state) {
  const Layers layers(state.range(0));
  for (auto _ : state)
    snapshot::Workspace(os::TempDir(bench::scratch_parent(), "kiln-bench"), layers.paths());
}
BENCHMARK(workspace)->Arg(1)->Arg(10)->Arg(100)->Arg(400)->ArgName("layers")->UseRealTime()->Unit(
    benchmark::kMicrosecond);

void view(benchmark::State& state) {
  const Layers layers(state.range(0));
  for (auto _ : state)
    snapshot::View(os::TempDir(bench::scratch_parent(), "kiln-bench"), layers.paths());
}
BENCHMARK(view)->Arg(1)->Arg(10)->Arg(100)->Arg(400)->ArgName("layers")->UseRealTime()->Unit(
    benchmark::kMicrosecond);

/// The least that a mount costs: a bind mount of an existing directory.
void limit_bind_mount(benchmark::State& state) {
  const Layers layers(2);
  for (auto _ : state)
    static_cast<void>(os::mount_bind(layers.paths()[0], layers.paths()[1], false));
}
BENCHMARK(limit_bind_mount)->UseRealTime()->Unit(benchmark::kMicrosecond);

/// And the directories around it.
void limit_directories(benchmark::State& state) {
  for (auto _ : state) {
    const os::TempDir scratch(bench::scratch_parent(), "kiln-bench");
    for (const char* name : {"upper", "work", "root"})
      std::filesystem::create_directory(scratch.path() / name);
  }
}
BENCHMARK(limit_directories)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace

int main(int argc, char** argv) {
  if (::geteuid() != 0) return 77;
  os::enter_private_mount_namespace();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
