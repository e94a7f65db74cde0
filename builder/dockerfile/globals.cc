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

namespace {

constexpr std::string_view kEpoch = "SOURCE_DATE_EPOCH";

std::string epoch_text(const LowerOptions& options, const Environment& globals) {
  const auto given = options.build_args.find(std::string(kEpoch));
  if (given != options.build_args.end()) return given->second;
  const std::string* global = globals.find(kEpoch);
  return global ? *global : "";
}

}  // namespace

std::string source_date_name(const Document& document, const LowerOptions& options) {
  const Environment globals = global_arguments(document.ast(), options, options.build_args);
  std::string text = epoch_text(options, globals);
  const bool number = text.find_first_not_of("-0123456789") == std::string::npos;
  return number ? std::string() : text;
}

std::optional<std::int64_t> source_date_epoch(const Ast& ast,
                                              const LowerOptions& options,
                                              const Environment& globals) {
  const std::string text = epoch_text(options, globals);
  if (text.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw error_of(ast.source, {{fmt::format("invalid {} \"{}\"", kEpoch, text),
                                 "want seconds since 1970-01-01, \"context\", or the name of a "
                                 "context or a stage that has a date",
                                 {},
                                 0,
                                 ""}});
  }
  return seconds;
}

}  // namespace kiln::dockerfile
