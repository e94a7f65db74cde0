// The first line is the flags of a RUN, the second of a COPY: each mount that is accepted has a
// place in the container, and each mistake points into the text.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "builder/dockerfile/lower.h"

namespace {

using namespace kiln;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_mounts(const graph::Graph& graph) {
  for (graph::VertexId id = 0; id < graph.size(); ++id) {
    const auto* exec = std::get_if<graph::ExecOp>(&graph[id].op);
    if (!exec) continue;
    for (const graph::ExecMount& mount : exec->mounts) {
      if (const auto* bind = std::get_if<graph::BindMount>(&mount)) {
        require(bind->input < graph[id].inputs.size());
        require(bind->target.starts_with('/') && bind->target != "/");
      }
      if (const auto* cache = std::get_if<graph::CacheMount>(&mount)) {
        require(!cache->input || *cache->input < graph[id].inputs.size());
        require(cache->target.starts_with('/') && !cache->id.empty());
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string copy = end == text.size() ? "" : text.substr(end + 1);
  copy.resize(std::min(copy.find('\n'), copy.size()));
  dockerfile::LowerOptions options;
  options.build_platform = options.target_platform = {"linux", "amd64", "", ""};
  options.allow = {"network.host", "security.insecure"};
  try {
    const auto document = dockerfile::Document::parse(
        "Dockerfile", "FROM scratch AS a\nARG V=/v\nWORKDIR /w\nFROM a\nRUN " +
                          text.substr(0, end) + " true\nCOPY " + copy + " a b\n");
    if (!dockerfile::missing_images(document, options, {}).empty()) return 0;
    check_mounts(dockerfile::lower(document, options, {}).graph);
  } catch (const dockerfile::DockerfileError& error) {
    for (const dockerfile::Diagnostic& mistake : error.diagnostics())
      require(mistake.range.first_line <= 6 && mistake.column >= 0);
  }
  return 0;
}
