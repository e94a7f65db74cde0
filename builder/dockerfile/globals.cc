#include "builder/dockerfile/globals.h"

#include <charconv>

#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/stages.h"

namespace kiln::dockerfile {

namespace {

/// source: docs.docker.com "Dockerfile reference: Automatic platform ARGs in the global scope"
Environment predefined(const Ast& ast,
                       const LowerOptions& options,
                       const std::map<std::string, std::string>& overrides) {
  std::string target = options.target;
  if (target.empty()) {
    for (const Instruction& instruction : ast.instructions) {
      if (const auto* from = std::get_if<From>(&instruction.command)) target = from->name;
    }
  }
  const Platform& build = options.build_platform;
  const Platform& wanted = options.target_platform;
  const std::pair<std::string, std::string> defaults[] = {
      {"BUILDPLATFORM", build.str()},
      {"BUILDOS", build.os},
      {"BUILDOSVERSION", build.os_version},
      {"BUILDARCH", build.architecture},
      {"BUILDVARIANT", build.variant},
      {"TARGETPLATFORM", wanted.str()},
      {"TARGETOS", wanted.os},
      {"TARGETOSVERSION", wanted.os_version},
      {"TARGETARCH", wanted.architecture},
      {"TARGETVARIANT", wanted.variant},
      {"TARGETSTAGE", target.empty() ? "default" : target},
  };
  Environment environment;
  for (const auto& [name, value] : defaults) {
    const auto given = overrides.find(name);
    environment.set(name, given == overrides.end() ? value : given->second);
  }
  return environment;
}

}  // namespace

Environment global_arguments(const Ast& ast,
                             const LowerOptions& options,
                             const std::map<std::string, std::string>& overrides,
                             ArgumentUses* definitions) {
  Environment environment = predefined(ast, options, overrides);
  const auto define = [&](const Instruction& instruction, const Arg::Definition& definition) {
    const std::string& name = definition.name.text;
    std::optional<Expansion> value;
    if (const auto given = overrides.find(name); given != overrides.end()) {
      value = Expansion{given->second, {}, {}, {}};
    } else if (definition.value) {
      value = expand(definition.value->text, environment, {.escape = ast.escape});
    }
    if (value) environment.set(name, value->text);
    if (!definitions) return;
    Outline::Argument argument{name, description_of(instruction, name), "", instruction.range};
    if (!value) return definitions->define(std::move(argument));
    argument.value = value->text;
    definitions->define(std::move(argument), {value->used.begin(), value->used.end()});
  };
  for (const Instruction& instruction : ast.instructions) {
    const auto* arg = std::get_if<Arg>(&instruction.command);
    if (!arg) break;
    for (const Arg::Definition& definition : arg->definitions) {
      try {
        define(instruction, definition);
      } catch (Mistake& mistake) {
        mistake.set_offset(definition.value->offset);
        fail(ast.source, instruction, mistake);
      }
    }
  }
  return environment;
}

std::optional<std::int64_t> source_date_epoch(const Ast& ast,
                                              const LowerOptions& options,
                                              const Environment& globals) {
  constexpr std::string_view kName = "SOURCE_DATE_EPOCH";
  const auto given = options.build_args.find(std::string(kName));
  const std::string* global = globals.find(kName);
  const std::string text =
      given != options.build_args.end() ? given->second : (global ? *global : "");
  // "context" asks for the date of a git context; a directory has none.
  if (text.empty() || text == "context") return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw error_of(ast.source, {{fmt::format("invalid {} \"{}\"", kName, text),
                                 "want seconds since 1970-01-01",
                                 {},
                                 0,
                                 ""}});
  }
  return seconds;
}

}  // namespace kiln::dockerfile
