#include "builder/dockerfile/stages.h"

#include <algorithm>
#include <charconv>

#include "builder/dockerfile/directives.h"
#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/globals.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/origins.h"
#include "builder/dockerfile/stages_lint.h"
#include "builder/dockerfile/suggest.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// Runs `body`; its Mistake becomes the error of `instruction`.
template <class Body>
auto of_instruction(const Source& source, const Instruction& instruction, Body&& body)
    -> decltype(body()) {
  try {
    return body();
  } catch (const Mistake& mistake) {
    fail(source, instruction, mistake);
  }
}

class Planner {
 public:
  Planner(const Ast& ast, const LowerOptions& options, const ResolvedImages& known, Linter& linter)
      : ast_(ast), options_(options), known_(known), linter_(linter) {}

  [[nodiscard]] Plan run() {
    check_syntax();
    plan_.globals =
        global_arguments(ast_, options_, options_.build_args, &plan_.argument_definitions);
    plan_.source_date_epoch = source_date_epoch(ast_, options_, plan_.globals);
    add_stages();
    lint_default_arguments(ast_, options_, linter_);
    for (Stage& stage : plan_.stages) {
      for (Step& step : stage.steps)
        resolve_origins({ast_, options_, plan_}, stage, step);
    }
    check_cycles(ast_, plan_);
    plan_.target = find_target();
    plan_.shows_stage_names =
        plan_.stages.size() > 1 || std::ranges::any_of(plan_.stages, has_other_origins);
    do {
      need(plan_.target);
    } while (add_triggers());
    collect_missing();
    return std::move(plan_);
  }

 private:
  void check_syntax() {
    const auto own = std::ranges::find(ast_.directives, "syntax", &Directive::name);
    const auto given = options_.build_args.find("BUILDKIT_SYNTAX");
    const bool overridden = given != options_.build_args.end() && !given->second.empty();
    if (!overridden && own == ast_.directives.end()) return;
    const std::string image = overridden ? given->second : own->value;
    if (is_builtin_syntax(image)) return;
    const int line = overridden ? 0 : own->line;
    try {
      refuse_syntax(image);
    } catch (const Mistake& mistake) {
      throw error_of(ast_.source, {{mistake.message(), mistake.hint(), {line, line}, 0, ""}});
    }
  }

  void add_stages() {
    for (const Instruction& instruction : ast_.instructions) {
      if (const auto* from = std::get_if<From>(&instruction.command)) {
        of_instruction(ast_.source, instruction, [&] { add_stage(instruction, *from); });
      } else if (!plan_.stages.empty() && !plan_.stages.back().is_replaced) {
        plan_.stages.back().steps.push_back({&instruction, false, {}});
      }
    }
  }

  void add_stage(const Instruction& instruction, const From& from) {
    Stage stage;
    stage.instruction = &instruction;
    stage.index = plan_.stages.size();
    stage.name = from.name;
    const Expansion base = expand_global(instruction, from.base.text, from.base.offset);
    stage.base = base.text;
    stage.used_arguments.insert(base.used.begin(), base.used.end());
    if (stage.base.empty()) {
      throw Mistake(fmt::format("base name ({}) should not be blank", from.base.text),
                    "give the ARG a default, or a value with --build-arg")
          .at(from.base.offset);
    }
    stage.platform = options_.target_platform;
    const Flag* platform = instruction.flag("platform");
    if (platform && !platform->value->empty()) {
      stage.platform = platform_of(instruction, from, *platform, stage.used_arguments);
    }
    if (replaces(instruction, from, stage)) {
      plan_.stages.push_back(std::move(stage));
      return;
    }
    // Stages have names in lower case, and FROM does not look past that as COPY --from does.
    if (lower(stage.base) == stage.base) stage.base_stage = find_stage(plan_, stage.base);
    if (stage.base_stage) {
      stage.platform = plan_.stages[*stage.base_stage].platform;
    } else if (stage.base == "scratch") {
      stage.is_scratch = true;
      stage.platform = options_.target_platform;
    } else {
      check_base_name(stage, from.base.offset);
    }
    plan_.stages.push_back(std::move(stage));
  }

  /// Whether a named context takes the place of the whole stage. A name that no context could have
  /// is refused, as BuildKit refuses it.
  bool replaces(const Instruction& instruction, const From& from, Stage& stage) const {
    if (from.name.empty()) return false;
    try {
      (void)context_key(from.name);
    } catch (const Error& error) {
      throw Mistake(
          fmt::format("invalid stage name \"{}\": {}", from.name_token.text, error.what()),
          "a stage is named as an image is: letters and digits, with single separators "
          "between them")
          .at(from.name_token.offset);
    }
    const NamedContext* named = find_context(options_.contexts, from.name, stage.platform);
    if (!named) return false;
    stage.is_replaced = true;
    stage.has_triggers = true;  // an image's fire in nothing
    begin_with(stage, *named, instruction);
    return true;
  }

  static void begin_with(Stage& stage, const NamedContext& named, const Instruction& instruction) {
    const auto* image = std::get_if<ImageContext>(&named.from);
    if (!image) {
      stage.base_context = &named;
    } else if (!image->reference) {
      stage.is_scratch = true;
    } else {
      stage.base_image = context_need(named, stage.platform, instruction, true);
    }
  }

  /// A name that no image can have is a mistake also where the stage is not needed.
  void check_base_name(const Stage& stage, std::size_t offset) const {
    try {
      (void)image_need(plan_, stage.base, stage.platform, *stage.instruction, true);
    } catch (Mistake& mistake) {
      mistake.set_offset(offset);
      throw;
    }
  }

  Platform platform_of(const Instruction& instruction,
                       const From& from,
                       const Flag& flag,
                       std::set<std::string>& used) {
    const Expansion value = expand_global(instruction, *flag.value, flag.offset);
    used.insert(value.used.begin(), value.used.end());
    if (value.text.empty()) {
      throw Mistake(fmt::format("empty platform value from expression {}", *flag.value),
                    value.undefined.empty()
                        ? ""
                        : did_you_mean(value.undefined[0], plan_.globals.names(), "$"))
          .at(flag.offset);
    }
    lint_platform_flag(linter_, instruction, from, flag, value,
                       *plan_.globals.find("TARGETPLATFORM"));
    try {
      return Platform::parse(value.text);
    } catch (const Error& error) {
      throw Mistake(error.what()).at(flag.offset);
    }
  }

  Expansion expand_global(const Instruction& instruction,
                          const std::string& word,
                          std::size_t offset) {
    try {
      Expansion result = expand(word, plan_.globals, {.escape = ast_.escape});
      lint_undefined_in_from(linter_, ast_, instruction, result, plan_.globals, offset);
      return result;
    } catch (Mistake& mistake) {
      mistake.set_offset(offset);
      throw;
    }
  }

  [[nodiscard]] std::size_t find_target() const {
    const std::string& target = options_.target;
    if (target.empty()) return plan_.stages.size() - 1;
    if (const auto stage = find_stage(plan_, target)) return *stage;
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(target.data(), target.data() + target.size(), index);
    if (error == std::errc{} && end == target.data() + target.size() &&
        index < plan_.stages.size()) {
      return index;
    }
    std::vector<std::string> names;
    for (const Stage& stage : plan_.stages) {
      if (!stage.name.empty()) names.push_back(stage.name);
    }
    std::string hint = did_you_mean(target, names);
    if (hint.empty() && !names.empty()) hint = "the stages are " + join(names, ", ");
    throw error_of(
        ast_.source,
        {{fmt::format("target stage \"{}\" could not be found", target), hint, {}, 0, ""}});
  }

  /// Says what a stage begins with that is neither another stage nor scratch.
  void find_base(Stage& stage) const {
    if (stage.base_stage || stage.is_scratch || stage.base_context || stage.base_image) return;
    if (const auto* named = find_context(options_.contexts, stage.base, stage.platform)) {
      begin_with(stage, *named, *stage.instruction);
      return;
    }
    stage.base_image = of_instruction(ast_.source, *stage.instruction, [&] {
      return image_need(plan_, stage.base, stage.platform, *stage.instruction, true);
    });
  }

  void need(std::size_t target) {
    for (Stage& stage : plan_.stages)
      stage.needed = false;
    std::vector<std::size_t> open = {target};
    for (const Stage& stage : plan_.stages) {
      if (options_.all_stages) open.push_back(stage.index);
    }
    while (!open.empty()) {
      Stage& stage = plan_.stages[open.back()];
      open.pop_back();
      stage.needed = true;
      const auto want = [&](std::size_t other) {
        if (!plan_.stages[other].needed) open.push_back(other);
      };
      if (stage.base_stage) want(*stage.base_stage);
      find_base(stage);
      for (const Step& step : stage.steps) {
        for (const Origin& origin : step.origins) {
          if (origin.kind == Origin::Kind::stage) want(origin.stage);
        }
      }
    }
  }

  /// Puts ONBUILD triggers in front of the stages that they fire in; true when there were any.
  bool add_triggers() {
    bool added = false;
    for (Stage& stage : plan_.stages) {
      if (!stage.needed || stage.has_triggers) continue;
      std::vector<std::string> triggers;
      if (stage.base_stage) {
        for (const Step& step : plan_.stages[*stage.base_stage].steps) {
          const auto* onbuild = std::get_if<Onbuild>(&step.instruction->command);
          if (onbuild) triggers.push_back(onbuild->trigger);
        }
      } else if (stage.base_image) {
        const auto image = known_.find(stage.base_image->key());
        if (image == known_.end()) continue;
        triggers = image->second.config.config.on_build;
      }
      stage.has_triggers = true;
      std::vector<Step> steps;
      for (const std::string& trigger : triggers)
        steps.push_back(trigger_step(stage, trigger));
      added = added || !steps.empty();
      stage.steps.insert(stage.steps.begin(), steps.begin(), steps.end());
    }
    return added;
  }

  Step trigger_step(const Stage& stage, const std::string& trigger) {
    // A FROM in front makes a whole Dockerfile of it.
    std::shared_ptr<const Ast> ast;
    try {
      ast = std::make_shared<const Ast>(
          parse_dockerfile("ONBUILD", "FROM scratch\n" + trigger + "\n"));
    } catch (const DockerfileError& error) {
      fail(ast_.source, *stage.instruction,
           Mistake(fmt::format("invalid ONBUILD trigger \"{}\" of {}: {}", trigger, stage.base,
                               error.diagnostics()[0].message)));
    }
    if (ast->instructions.size() != 2) {
      fail(ast_.source, *stage.instruction,
           Mistake(fmt::format("ONBUILD trigger \"{}\" of {} should be a single instruction",
                               trigger, stage.base)));
    }
    plan_.triggers.push_back(ast);
    Step step{&ast->instructions[1], true, {}};
    resolve_origins({ast_, options_, plan_}, stage, step);
    return step;
  }

  void collect_missing() {
    const auto add = [&](const ImageNeed& need) {
      if (known_.contains(need.key())) return;
      const auto same = std::ranges::find(plan_.missing, need.key(), &ImageNeed::key);
      if (same == plan_.missing.end()) {
        plan_.missing.push_back(need);
      } else {
        same->needs_config = same->needs_config || need.needs_config;
      }
    };
    for (const Stage& stage : plan_.stages) {
      if (!stage.needed) continue;
      if (stage.base_image) add(*stage.base_image);
      for (const Step& step : stage.steps) {
        for (const Origin& origin : step.origins) {
          if (origin.image) add(*origin.image);
        }
      }
    }
  }

  const Ast& ast_;
  const LowerOptions& options_;
  const ResolvedImages& known_;
  Linter& linter_;
  Plan plan_;
};

}  // namespace

std::string Stage::label() const {
  return name.empty() ? fmt::format("stage-{}", index) : name;
}

Plan make_plan(const Ast& ast,
               const LowerOptions& options,
               const ResolvedImages& known,
               Linter& linter) {
  return Planner(ast, options, known, linter).run();
}

void fail(const Source& source,
          const Instruction& instruction,
          const Mistake& mistake,
          const Instruction* from_of_trigger) {
  if (from_of_trigger) {
    throw error_of(source, {diagnostic_of(source, *from_of_trigger,
                                          fmt::format("ONBUILD trigger \"{}\": {}",
                                                      instruction.text, mistake.message()),
                                          mistake.hint())});
  }
  throw error_of(source, {diagnostic_of(source, instruction, mistake.message(), mistake.hint(),
                                        mistake.offset().value_or(0))});
}

}  // namespace kiln::dockerfile
