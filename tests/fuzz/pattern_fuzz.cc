// The first line is a path, the others patterns: what is skipped as a subtree must be excluded.
#include <cstdlib>
#include <string>
#include <vector>

#include "builder/graph/pattern.h"
#include "proto/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> lines = {""};
  for (const char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  const std::string path = lines[0];
  lines.erase(lines.begin());
  if (path.empty() || path.starts_with('/')) return 0;  // never the path of a file in a context
  try {
    const graph::PatternList list(lines);
    const int index = list.deciding_pattern(path);
    if (index >= static_cast<int>(lines.size())) std::abort();
    if (list.excludes(path) && index < 0) std::abort();
    if (list.excludes_subtree(path)) {
      if (!list.excludes(path) || !list.excludes(path + "/below")) std::abort();
    }
    for (const std::string& line : lines)
      (void)graph::matches_glob(line, path);
  } catch (const Error& error) {
    if (error.code() != Errc::invalid_input) std::abort();
  }
  return 0;
}
