#include "builder/dockerfile/dockerignore.h"

#include <fmt/format.h>

#include "builder/dockerfile/text.h"
#include "builder/graph/pattern.h"
#include "proto/error.h"

namespace kiln::dockerfile {

std::vector<IgnoreLine> parse_ignore_lines(std::string_view name, std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<IgnoreLine> patterns;
  int number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.starts_with('#')) continue;
    line = trim(line);
    if (line.empty()) continue;
    const bool negated = line.starts_with('!');
    if (negated) line = trim(line.substr(1));
    if (line.empty()) {
      throw Error(Errc::invalid_input, "{}:{}: \"!\" negates nothing; write a pattern after it",
                  name, number);
    }
    std::string pattern = clean_path(line);
    if (pattern.size() > 1 && pattern.starts_with('/')) pattern.erase(0, 1);
    if (negated) pattern.insert(0, 1, '!');
    within(fmt::format("{}:{}", name, number), [&] { return graph::PatternList({pattern}); });
    patterns.push_back({std::move(pattern), number});
  }
  return patterns;
}

std::vector<std::string> parse_ignore_file(std::string_view name, std::string_view text) {
  std::vector<std::string> patterns;
  for (IgnoreLine& line : parse_ignore_lines(name, text))
    patterns.push_back(std::move(line.pattern));
  return patterns;
}

}  // namespace kiln::dockerfile
