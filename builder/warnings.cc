#include "builder/warnings.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "builder/dockerfile/lower.h"
#include "builder/dockerfile/rules.h"
#include "proto/base64.h"

namespace kiln {

void Warnings::tell(const dockerfile::Document& document,
                    const std::vector<dockerfile::Diagnostic>& warnings,
                    const EventSink& events) {
  for (const dockerfile::Diagnostic& diagnostic : warnings) {
    Warning warning{dockerfile::render(document, diagnostic)};
    if (!texts_.insert(warning.text).second) continue;
    warning.rule = diagnostic.rule;
    warning.message = diagnostic.message;
    if (const dockerfile::Rule* rule = dockerfile::find_rule(diagnostic.rule)) {
      warning.description = rule->description;
      warning.url = rule->url();
    }
    warning.file = document.name();
    warning.first_line = diagnostic.range.first_line;
    warning.last_line = std::max(diagnostic.range.first_line, diagnostic.range.last_line);
    told_.push_back(warning);
    events(std::move(warning));
  }
}

std::string Warnings::metadata() const {
  using Json = nlohmann::ordered_json;
  if (told_.empty()) return {};
  Json list = Json::array();
  for (const Warning& warning : told_) {
    const std::string brief =
        fmt::format("{}: {} (line {})", warning.rule, warning.message, warning.first_line);
    list.push_back({{"level", 1},
                    {"short", base64_encode(brief)},
                    {"detail", {base64_encode(warning.description)}},
                    {"url", warning.url},
                    {"sourceInfo", {{"filename", warning.file}, {"language", "Dockerfile"}}},
                    {"range", Json::array({{{"start", {{"line", warning.first_line}}},
                                            {"end", {{"line", warning.last_line}}}}})}});
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace kiln
