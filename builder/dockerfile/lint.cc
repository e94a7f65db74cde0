#include "builder/dockerfile/lint.h"

#include <algorithm>

#include "builder/dockerfile/directives.h"
#include "builder/dockerfile/go_text.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/rules.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

void add_rules(std::string_view value, bool& all, std::set<std::string, std::less<>>& rules) {
  if (trim(value) == "all") {
    all = true;
    return;
  }
  for (const std::string_view rule : split(value, ','))
    rules.insert(lower(trim(rule)));
}

bool is_lower(std::string_view text) {
  return text == lower(text);
}
bool is_upper(std::string_view text) {
  return text == upper(text);
}

void lint_casing(const Ast& ast, Linter& linter) {
  std::ptrdiff_t balance = 0;
  bool in_stage = false;
  for (const Instruction& instruction : ast.instructions) {
    in_stage = in_stage || std::holds_alternative<From>(instruction.command);
    if (!in_stage) continue;
    if (is_lower(instruction.keyword)) {
      ++balance;
    } else if (is_upper(instruction.keyword)) {
      --balance;
    }
  }
  const bool wants_lower = balance > 0;
  in_stage = false;
  for (const Instruction& instruction : ast.instructions) {
    in_stage = in_stage || std::holds_alternative<From>(instruction.command);
    const std::string& keyword = instruction.keyword;
    if (!in_stage || (wants_lower ? is_lower(keyword) : is_upper(keyword))) continue;
    linter.warn("ConsistentInstructionCasing", instruction,
                fmt::format("Command '{}' should match the case of the command majority ({})",
                            keyword, wants_lower ? "lowercase" : "uppercase"),
                0);
  }
}

void lint_stage(const Instruction& instruction, const From& from, Linter& linter) {
  const std::string& written = from.name_token.text;
  if (!is_lower(written)) {
    linter.warn("StageNameCasing", instruction,
                fmt::format("Stage name '{}' should be lowercase", written),
                from.name_token.offset);
  }
  const std::string& keyword = instruction.keyword;
  const bool mismatch = (is_lower(keyword) && !is_lower(from.keyword)) ||
                        (is_upper(keyword) && !is_upper(from.keyword));
  if (mismatch) {
    linter.warn("FromAsCasing", instruction,
                fmt::format("'{}' and '{}' keywords' casing do not match", from.keyword, keyword));
  }
  if (from.name == "scratch" || from.name == "context") {
    linter.warn(
        "ReservedStageName", instruction,
        fmt::format("Stage name should not use the same name as reserved stage \"{}\"", from.name),
        from.name_token.offset);
  }
}

/// True when `name`, or a word of it between underscores at one of its ends or inside, is `word`.
bool has_word(std::string_view name, std::string_view word) {
  return std::ranges::any_of(split(name, '_'),
                             [word](std::string_view part) { return equal_fold(part, word); });
}

/// `keyword` defines `names`, and the comment above it should describe one of them.
void lint_description(const Instruction& instruction,
                      std::string_view keyword,
                      const std::vector<std::string>& names,
                      Linter& linter) {
  if (instruction.comments.empty() || names.empty()) return;
  const std::string& comment = instruction.comments.back();
  if (std::ranges::find(names, comment.substr(0, comment.find(' '))) != names.end()) return;
  if (find_check("#" + comment)) return;
  linter.warn("InvalidDefinitionDescription", instruction,
              fmt::format("Comment for {} should follow the format: `# {} <description>`", keyword,
                          names.size() == 1 ? names[0] : "<arg_key>"));
}

/// The options in the first "# check=" comment directly above an instruction.
CheckOptions options_of(const Instruction& instruction) {
  for (const std::string& comment : instruction.comments) {
    const std::optional<Directive> check = find_check("#" + comment);
    if (!check) continue;
    try {
      return CheckOptions::parse(check->value);
    } catch (const Mistake&) {
      break;  // an ordinary comment that happens to begin like one of ours
    }
  }
  return {};
}

}  // namespace

CheckOptions CheckOptions::parse(std::string_view text) {
  CheckOptions options;
  if (trim(text).empty()) return options;
  for (const std::string_view part : split(text, ';')) {
    const std::size_t equals = part.find('=');
    const std::string_view name = trim(part.substr(0, equals));
    if (equals == std::string_view::npos) {
      throw Mistake(fmt::format("invalid check option \"{}\"", trim(part)),
                    "write skip=, error= or experimental=");
    }
    const std::string_view value = trim(part.substr(equals + 1));
    if (name == "skip") {
      add_rules(value, options.skip_all, options.skip);
    } else if (name == "experimental") {
      add_rules(value, options.experimental_all, options.experimental);
    } else if (const auto error = parse_bool(value); name == "error" && error) {
      options.error = *error;
    } else {
      throw Mistake(fmt::format("invalid check option \"{}\"", trim(part)),
                    "write skip=, error= or experimental=");
    }
  }
  return options;
}

bool CheckOptions::silences(std::string_view rule) const {
  const std::string folded = lower(rule);
  const Rule* known = find_rule(rule);
  // Whoever asks for an experimental rule by "experimental=" wants it whatever "skip=" says.
  if (known && known->experimental) return !experimental_all && !experimental.contains(folded);
  return skip_all || skip.contains(folded);
}

void Linter::warn(std::string_view rule,
                  const Instruction& instruction,
                  std::string message,
                  std::optional<std::size_t> offset) {
  const CheckOptions own = options_of(instruction);
  const Rule* known = find_rule(rule);
  const bool both = known && known->experimental;
  if (both ? options_.silences(rule) && own.silences(rule)
           : options_.silences(rule) || own.silences(rule)) {
    return;
  }
  Diagnostic warning = diagnostic_of(source_, instruction, std::move(message), "", offset);
  warning.rule = rule;
  warnings_.emplace(warning.range.first_line, std::move(warning));
}

void Linter::add(Diagnostic warning) {
  if (!options_.silences(warning.rule))
    warnings_.emplace(warning.range.first_line, std::move(warning));
}

std::vector<Diagnostic> Linter::found() const {
  std::vector<Diagnostic> sorted;
  for (const auto& [line, warning] : warnings_)
    sorted.push_back(warning);
  return sorted;
}

std::vector<Diagnostic> Linter::take() {
  std::vector<Diagnostic> sorted = found();
  if (options_.error && !sorted.empty()) {
    std::set<std::string> rules;
    for (const Diagnostic& warning : sorted)
      rules.insert(warning.rule);
    throw error_of(source_,
                   {{fmt::format("lint violation found for rules: {}", fmt::join(rules, ", ")),
                     "\"check=error=true\" makes errors of warnings",
                     {sorted[0].range.first_line, sorted[0].range.last_line},
                     0,
                     ""}});
  }
  warnings_.clear();
  return sorted;
}

void lint_text(const Ast& ast, Linter& linter) {
  for (const Diagnostic& warning : ast.warnings)
    linter.add(warning);
  lint_casing(ast, linter);
  std::set<std::string> stages;
  for (const Instruction& instruction : ast.instructions) {
    if (const auto* from = std::get_if<From>(&instruction.command)) {
      if (from->name.empty()) continue;
      lint_stage(instruction, *from, linter);
      lint_description(instruction, "FROM", {from->name}, linter);
      if (!stages.insert(from->name).second) {
        linter.warn(
            "DuplicateStageName", instruction,
            fmt::format("Duplicate stage name \"{}\", stage names should be unique", from->name),
            from->name_token.offset);
      }
    } else if (const auto* arg = std::get_if<Arg>(&instruction.command)) {
      std::vector<std::string> names;
      for (const Arg::Definition& definition : arg->definitions)
        names.push_back(definition.name.text);
      lint_description(instruction, "ARG", names, linter);
    } else if (std::holds_alternative<Maintainer>(instruction.command)) {
      linter.warn("MaintainerDeprecated", instruction,
                  "Maintainer instruction is deprecated in favor of using label", 0);
    }
  }
}

void lint_secret(Linter& linter,
                 const Instruction& instruction,
                 std::string_view keyword,
                 const Token& name) {
  static constexpr std::string_view kSecret[] = {"apikey", "auth",     "credential", "credentials",
                                                 "key",    "password", "pword",      "passwd",
                                                 "secret", "token"};
  static constexpr std::string_view kPublic[] = {"public", "file", "version"};
  const auto has = [&](std::string_view word) { return has_word(name.text, word); };
  if (!std::ranges::any_of(kSecret, has) || std::ranges::any_of(kPublic, has)) return;
  linter.warn("SecretsUsedInArgOrEnv", instruction,
              fmt::format("Do not use ARG or ENV instructions for sensitive data ({} \"{}\")",
                          keyword, name.text),
              name.offset);
}

}  // namespace kiln::dockerfile
