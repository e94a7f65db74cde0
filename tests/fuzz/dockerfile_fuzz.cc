// Any text either lowers or is a DockerfileError; every place in it is inside the text.
#include <cstdlib>

#include "builder/dockerfile/call_result.h"
#include "builder/dockerfile/lower.h"

namespace {

using namespace kiln;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_places(const std::vector<dockerfile::Diagnostic>& diagnostics, int lines) {
  for (const dockerfile::Diagnostic& diagnostic : diagnostics) {
    require(!diagnostic.message.empty());
    require(diagnostic.range.first_line >= 0 && diagnostic.range.first_line <= lines);
    require(diagnostic.range.last_line <= lines);
    require(diagnostic.column >= 0);
  }
}

void lower(const dockerfile::Document& document, int lines) {
  dockerfile::LowerOptions options;
  options.build_platform = options.target_platform = {"linux", "amd64", "", ""};
  options.build_args = {{"A", "x"}, {"HTTP_PROXY", "y"}};
  dockerfile::ResolvedImages known;
  for (int round = 0; round < 3; ++round) {
    const auto missing = dockerfile::missing_images(document, options, known);
    if (missing.empty()) {
      const dockerfile::Lowered lowered = dockerfile::lower(document, options, known);
      require(lowered.target < lowered.graph.size());
      check_places(lowered.warnings, lines);
      require(!dockerfile::outline_result(document, lowered.outline).json.empty());
      require(!dockerfile::targets_result(document).text.empty());
      require(!dockerfile::check_result(document, {lowered.warnings, {}}).text.empty());
      return;
    }
    for (const dockerfile::ImageNeed& need : missing) {
      oci::ImageConfig config;
      config.platform = need.platform;
      config.config.on_build = {"ENV T=1"};
      known.emplace(need.key(), dockerfile::ResolvedImage{sha256(need.key()), config});
    }
  }
  std::abort();  // the loop of missing_images does not end
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  int lines = 1;
  for (const char c : text)
    lines += c == '\n' ? 1 : 0;
  try {
    lower(dockerfile::Document::parse("Dockerfile", text), lines);
  } catch (const dockerfile::DockerfileError& error) {
    check_places(error.diagnostics(), lines);
    check_places(error.warnings(), lines);
  }
  return 0;
}
