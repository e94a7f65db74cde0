#include "cli/commands/csv.h"

#include "cli/errors.h"

namespace kiln::cli {

std::vector<std::string> split_csv(std::string_view flag, const std::string& text) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && quoted && i + 1 < text.size() && text[i + 1] == '"') {
      fields.back() += '"';
      ++i;
    } else if (c == '"' && (quoted || fields.back().empty())) {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (quoted) throw UsageError("{} \"{}\": a quote is not closed", flag, text);
  return fields;
}

}  // namespace kiln::cli
