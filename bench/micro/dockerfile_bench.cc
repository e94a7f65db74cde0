// How long the front end takes: it is on the way of every build, also of one that is all cached.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "builder/dockerfile/lower.h"

namespace {

using namespace kiln;

/// A Dockerfile of about `lines` lines, such as generators write: many stages, arguments that
/// everything uses, long commands.
std::string big_dockerfile(int lines) {
  std::string text = "ARG BASE=debian\n";
  for (int line = 1; line < lines; line += 10) {
    text += fmt::format(
        "FROM $BASE AS stage{0}\nARG VERSION={0}\nENV PATH=/opt/{0}/bin:$PATH NAME=\"a b "
        "${{VERSION}}\"\n"
        "# what it installs\nRUN apt-get update && \\\n    apt-get install -y "
        "--no-install-recommends \\\n"
        "      build-essential curl=${{VERSION:-1}}\n"
        "COPY --chown=1000:1000 src/{0} lib/{0}*.so /opt/{0}/\nWORKDIR /opt/{0}\nCMD [\"run\", "
        "\"{0}\"]\n",
        line);
  }
  text += "FROM scratch\n";
  for (int line = 1; line < lines; line += 10)
    text += fmt::format("COPY --from=stage{0} /opt/{0} /{0}\n", line);
  return text;
}

dockerfile::LowerOptions options() {
  dockerfile::LowerOptions result;
  result.build_platform = result.target_platform = {"linux", "amd64", "", ""};
  return result;
}

dockerfile::ResolvedImages resolve(const dockerfile::Document& document) {
  dockerfile::ResolvedImages known;
  for (const auto& need : dockerfile::missing_images(document, options(), known)) {
    oci::ImageConfig config;
    config.platform = need.platform;
    config.config.env = {"PATH=/bin"};
    config.diff_ids = {DiffId{sha256(std::string_view("layer"))}};
    known.emplace(need.key(), dockerfile::ResolvedImage{sha256(need.key()), config});
  }
  return known;
}

void parse(benchmark::State& state) {
  const std::string text = big_dockerfile(static_cast<int>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(dockerfile::Document::parse("Dockerfile", text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(parse)->Arg(50)->Arg(5000)->Unit(benchmark::kMillisecond);

/// 5,000 lines stay under 50 ms.
void parse_and_lower(benchmark::State& state) {
  const std::string text = big_dockerfile(static_cast<int>(state.range(0)));
  const dockerfile::ResolvedImages known = resolve(dockerfile::Document::parse("Dockerfile", text));
  for (auto _ : state) {
    const auto document = dockerfile::Document::parse("Dockerfile", text);
    benchmark::DoNotOptimize(dockerfile::lower(document, options(), known));
  }
}
BENCHMARK(parse_and_lower)->Arg(50)->Arg(5000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
