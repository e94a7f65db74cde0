#include "builder/dockerfile/lower.h"

#include <algorithm>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/stage_builder.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// What the "check" directive, or the build argument that overrides it, says.
CheckOptions check_options(const Ast& ast, const LowerOptions& options) {
  const auto given = options.build_args.find("BUILDKIT_DOCKERFILE_CHECK");
  const auto own = std::ranges::find(ast.directives, "check", &Directive::name);
  int line = 0;
  std::string text;
  if (given != options.build_args.end()) {
    text = given->second;
  } else if (own != ast.directives.end()) {
    text = own->value;
    line = own->line;
  }
  try {
    return CheckOptions::parse(text);
  } catch (const Mistake& mistake) {
    throw error_of(ast.source, {{mistake.message(), mistake.hint(), {line, line}, 0, ""}});
  }
}

/// source: containerd's platforms.Normalize, which BuildKit applies to every image it makes
void normalize(Platform& platform) {
  if (platform.os.empty() || platform.architecture.empty()) return;
  try {
    Platform plain = Platform::parse(platform.str());
    plain.os_version = platform.os_version;
    platform = std::move(plain);
  } catch (const Error&) {
    return;  // a base may name a platform that no build can ask for
  }
}

/// What BuildKit's exporter calls the highest layer when the history has one entry less than there
/// are layers, as it is above a base that came without a history.
/// source: BuildKit exporter/containerimage/writer.go normalizeLayersAndHistory
StepHistory nameless_entry(const graph::Graph& graph, const StageState& stage) {
  const graph::VertexId highest = stage.file_system;
  const graph::Op& op = graph[highest].op;
  std::string description = "fileop target";
  if (highest == stage.nameless->vertex) description = stage.nameless->description;
  if (const auto* exec = std::get_if<graph::ExecOp>(&op))
    description = "mount / from exec " + join(exec->args, " ");
  if (std::holds_alternative<graph::MergeOp>(op)) description = graph[highest].name;
  return {{"", std::move(description), "", "buildkit.exporter.image.v0", false}, highest};
}

/// The image is for the platform asked for, whatever its base says about itself.
void set_platform(oci::ImageConfig& image, const LowerOptions& options) {
  if (options.implicit_platform) return;
  const Platform& wanted = options.target_platform;
  const bool same =
      image.platform.os == wanted.os && image.platform.architecture == wanted.architecture;
  image.platform.os = wanted.os;
  image.platform.architecture = wanted.architecture;
  if (!wanted.variant.empty() || !same) image.platform.variant = wanted.variant;
  if (!wanted.os_version.empty() || !same) image.platform.os_version = wanted.os_version;
}

/// Runs `body`; the DockerfileError it throws is given what `linter` found before.
template <class Body>
auto with_warnings(const Linter& linter, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (DockerfileError& error) {
    error.set_warnings(linter.found());
    throw;
  }
}

/// What the target takes: its own arguments first, then those of the stages that it needs.
Outline outline_of(const LoweringContext& context) {
  const Plan& plan = context.plan;
  const Stage& target = plan.stages[plan.target];
  Outline outline;
  outline.name = target.name;
  outline.description = description_of(*target.instruction, target.name);
  const auto add = [&](const StageState& state) {
    for (Outline::Argument& argument : state.uses.used()) {
      const auto same =
          std::ranges::find(outline.arguments, argument.name, &Outline::Argument::name);
      if (same == outline.arguments.end()) outline.arguments.push_back(std::move(argument));
    }
  };
  add(context.states[plan.target]);
  for (const Stage& stage : plan.stages) {
    if (stage.needed) add(context.states[stage.index]);
  }
  complete_outline(outline, context.graph, context.states[plan.target].file_system);
  return outline;
}

Lowered lower_plan(const Plan& plan, LoweringContext context) {
  const LowerOptions& options = context.options;
  context.ignored = graph::PatternList(options.context_ignore);
  context.states.resize(plan.stages.size());
  for (const Stage& stage : plan.stages) {
    if (stage.needed) StageBuilder(context, stage).run();
  }

  StageState& result = context.states[plan.target];
  Lowered lowered;
  lowered.outline = outline_of(context);
  lowered.target = result.file_system;
  lowered.base_manifest = result.base_manifest;
  lowered.config = std::move(result.image);
  for (const auto& [name, value] : options.labels)
    lowered.config.config.labels[name] = value;
  set_platform(lowered.config, options);
  normalize(lowered.config.platform);
  lowered.history = std::move(result.history);
  if (result.nameless) lowered.history.push_back(nameless_entry(context.graph, result));
  lowered.source_date_epoch = plan.source_date_epoch;
  lowered.graph = std::move(context.graph);
  lowered.warnings = context.linter.take();
  return lowered;
}

}  // namespace

DockerfileError mistakes_error(const Document& document,
                               const LowerOptions& options,
                               std::vector<Diagnostic> mistakes) {
  const Ast& ast = document.ast();
  DockerfileError error = error_of(ast.source, std::move(mistakes));
  Linter linter(ast.source, check_options(ast, options));
  lint_text(ast, linter);
  error.set_warnings(linter.found());
  return error;
}

std::vector<ImageNeed> missing_images(const Document& document,
                                      const LowerOptions& options,
                                      const ResolvedImages& known) {
  const Ast& ast = document.ast();
  Linter linter(ast.source, check_options(ast, options));
  lint_text(ast, linter);
  return with_warnings(linter, [&] { return make_plan(ast, options, known, linter).missing; });
}

Lowered lower(const Document& document, const LowerOptions& options, const ResolvedImages& known) {
  const Ast& ast = document.ast();
  Linter linter(ast.source, check_options(ast, options));
  lint_text(ast, linter);
  return with_warnings(linter, [&] {
    const Plan plan = make_plan(ast, options, known, linter);
    check(plan.missing.empty(), "every image that lowering needs was resolved");
    return lower_plan(plan, {ast, options, plan, known, linter, {}, {}, {}, {}, {}, {}, {}});
  });
}

std::string render(const Document& document, const Diagnostic& diagnostic) {
  return render(document.ast().source, diagnostic);
}

}  // namespace kiln::dockerfile
