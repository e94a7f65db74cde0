#include "builder/dockerfile/stages_lint.h"

#include <algorithm>

#include "builder/dockerfile/globals.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/suggest.h"

namespace kiln::dockerfile {

namespace {

/// The names of the ARGs before the first FROM.
std::vector<std::string> declared(const Ast& ast) {
  std::vector<std::string> names;
  for (const Instruction& instruction : ast.instructions) {
    const auto* arg = std::get_if<Arg>(&instruction.command);
    if (!arg) break;
    for (const Arg::Definition& definition : arg->definitions)
      names.push_back(definition.name.text);
  }
  return names;
}

bool is_image_name(const std::string& text) {
  try {
    return !Reference::parse(text).repository.empty();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void lint_undefined_in_from(Linter& linter,
                            const Ast& ast,
                            const Instruction& instruction,
                            const Expansion& expansion,
                            const Environment& globals,
                            std::size_t offset) {
  if (expansion.undefined.empty()) return;
  std::vector<std::string> names = declared(ast);
  for (const std::string& name : expansion.undefined) {
    if (std::ranges::find(names, name) != names.end()) continue;
    std::vector<std::string> candidates = globals.names();
    candidates.insert(candidates.end(), names.begin(), names.end());
    const std::string match = nearest(name, candidates);
    linter.warn("UndefinedArgInFrom", instruction,
                fmt::format("FROM argument '{}' is not declared", name) +
                    (match.empty() ? "" : fmt::format(" (did you mean {}?)", match)),
                offset);
  }
}

void lint_platform_flag(Linter& linter,
                        const Instruction& instruction,
                        const From& from,
                        const Flag& flag,
                        const Expansion& value,
                        const std::string& target_platform) {
  if (value.used.size() == 1 && value.undefined.empty() && value.used[0] == "TARGETPLATFORM" &&
      value.text == target_platform) {
    linter.warn("RedundantTargetPlatform", instruction,
                fmt::format("Setting platform to predefined {} in FROM is redundant as this is the "
                            "default behavior",
                            *flag.value),
                flag.offset);
  }
  if (!value.used.empty() || !value.undefined.empty()) return;
  try {
    const Platform platform = Platform::parse(value.text);
    // A stage that is named after its platform wants just that one.
    if (from.name.find(platform.os) != std::string::npos ||
        from.name.find(platform.architecture) != std::string::npos) {
      return;
    }
  } catch (const Error&) {
    return;  // reported as the error that it is
  }
  linter.warn("FromPlatformFlagConstDisallowed", instruction,
              fmt::format("FROM --platform flag should not use constant value \"{}\"", value.text),
              flag.offset);
}

void lint_default_arguments(const Ast& ast, const LowerOptions& options, Linter& linter) {
  try {
    const Environment defaults = global_arguments(ast, options, {});
    for (const Instruction& instruction : ast.instructions) {
      const auto* from = std::get_if<From>(&instruction.command);
      if (!from || from->base.text.find('$') == std::string::npos) continue;
      const std::string base = expand(from->base.text, defaults, {.escape = ast.escape}).text;
      if (is_image_name(base)) continue;
      linter.warn(
          "InvalidDefaultArgInFrom", instruction,
          fmt::format("Default value for ARG {} results in empty or invalid base image name",
                      from->base.text),
          from->base.offset);
    }
  } catch (const Error&) {
    return;  // the same expansion fails again, as an error, with the real arguments
  }
}

}  // namespace kiln::dockerfile
