#include "builder/dockerfile/call_result.h"

#include <nlohmann/json.hpp>

#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/rules.h"
#include "proto/base64.h"

namespace kiln::dockerfile {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

Json location(graph::SourceRange range) {
  if (range.first_line < 1) return Json::object();
  const Json start = {{"line", range.first_line}};
  const Json end = {{"line", std::max(range.first_line, range.last_line)}};
  return {{"ranges", {{{"start", start}, {"end", end}}}}};
}

/// Sets what is not empty.
void set(Json& json, const char* key, const std::string& value) {
  if (!value.empty()) json[key] = value;
}

Json sources(const Document& document) {
  return Json::array({base64_encode(document.ast().source.text())});
}

Json needs(const std::vector<Outline::Need>& list, const char* key) {
  Json result = Json::array();
  for (const Outline::Need& need : list) {
    Json entry = {{key, need.name}};
    if (need.required) entry["required"] = true;
    entry["location"] = location(need.range);
    result.push_back(std::move(entry));
  }
  return result;
}

}  // namespace

CallResult check_result(const Document& document, const CheckReport& report) {
  const Source& source = document.ast().source;
  Json json = {{"warnings", Json::array()}};
  for (const Diagnostic& warning : report.warnings) {
    Json entry = {{"ruleName", warning.rule}};
    if (const Rule* rule = find_rule(warning.rule)) {
      entry["description"] = rule->description;
      set(entry, "url", rule->url());
    }
    entry["detail"] = warning.message;
    entry["location"] = location(warning.range);
    json["warnings"].push_back(std::move(entry));
  }
  json["sources"] = Json::array({{{"filename", source.name()},
                                  {"data", base64_encode(source.text())},
                                  {"language", "Dockerfile"}}});
  if (!report.mistakes.empty()) {
    const Diagnostic& mistake = report.mistakes[0];
    json["buildError"] = {{"message", mistake.message}, {"location", location(mistake.range)}};
  }
  const bool clean = report.warnings.empty() && report.mistakes.empty();
  return {dump(json), text_of(document, report), clean ? 0 : 1};
}

CallResult outline_result(const Document& document, const Outline& outline) {
  Json json = Json::object();
  set(json, "name", outline.name);
  set(json, "description", outline.description);
  Json arguments = Json::array();
  for (const Outline::Argument& argument : outline.arguments) {
    Json entry = {{"name", argument.name}};
    set(entry, "description", argument.description);
    set(entry, "value", argument.value);
    entry["location"] = location(argument.range);
    arguments.push_back(std::move(entry));
  }
  const std::pair<const char*, Json> lists[] = {{"args", std::move(arguments)},
                                                {"secrets", needs(outline.secrets, "name")},
                                                {"ssh", needs(outline.ssh, "name")},
                                                {"cache", needs(outline.caches, "ID")}};
  for (const auto& [key, list] : lists) {
    if (!list.empty()) json[key] = list;
  }
  json["sources"] = sources(document);
  return {dump(json), text_of(outline), 0};
}

std::vector<Target> targets_of(const Document& document) {
  std::vector<Target> targets;
  for (const Instruction& instruction : document.ast().instructions) {
    const auto* from = std::get_if<From>(&instruction.command);
    if (!from) continue;
    const Flag* platform = instruction.flag("platform");
    targets.push_back({from->name, description_of(instruction, from->name), from->base.text,
                       platform ? *platform->value : "", false, instruction.range});
  }
  if (!targets.empty()) targets.back().is_default = true;
  return targets;
}

CallResult targets_result(const Document& document) {
  const std::vector<Target> targets = targets_of(document);
  Json json = {{"targets", Json::array()}};
  for (const Target& target : targets) {
    Json entry = Json::object();
    set(entry, "name", target.name);
    if (target.is_default) entry["default"] = true;
    set(entry, "description", target.description);
    set(entry, "base", target.base);
    set(entry, "platform", target.platform);
    entry["location"] = location(target.range);
    json["targets"].push_back(std::move(entry));
  }
  json["sources"] = sources(document);
  return {dump(json), text_of(targets), 0};
}

}  // namespace kiln::dockerfile
