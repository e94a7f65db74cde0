#include "builder/dockerfile/lower.h"

#include <algorithm>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/stage_builder.h"

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

}  // namespace

std::vector<ImageNeed> missing_images(const Document& document,
                                      const LowerOptions& options,
                                      const ResolvedImages& known) {
  const Ast& ast = document.ast();
  Linter unheard(ast.source, CheckOptions{});
  return make_plan(ast, options, known, unheard).missing;
}

Lowered lower(const Document& document, const LowerOptions& options, const ResolvedImages& known) {
  const Ast& ast = document.ast();
  Linter linter(ast.source, check_options(ast, options));
  lint_text(ast, linter);
  const Plan plan = make_plan(ast, options, known, linter);
  check(plan.missing.empty(), "every image that lowering needs was resolved");

  LoweringContext context{ast, options, plan, known, linter, {}, {}, {}, {}, {}};
  const bool negates = std::ranges::any_of(
      options.context_ignore, [](const std::string& pattern) { return pattern.starts_with('!'); });
  if (!negates) context.ignored = graph::PatternList(options.context_ignore);
  context.states.resize(plan.stages.size());
  for (const Stage& stage : plan.stages) {
    if (stage.needed) StageBuilder(context, stage).run();
  }

  StageState& result = context.states[plan.target];
  Lowered lowered;
  lowered.target = result.file_system;
  lowered.base_manifest = result.base_manifest;
  lowered.config = std::move(result.image);
  for (const auto& [name, value] : options.labels)
    lowered.config.config.labels[name] = value;
  set_platform(lowered.config, options);
  lowered.history = std::move(result.history);
  lowered.source_date_epoch = plan.source_date_epoch;
  lowered.graph = std::move(context.graph);
  lowered.warnings = linter.take();
  return lowered;
}

std::string render(const Document& document, const Diagnostic& diagnostic) {
  return render(document.ast().source, diagnostic);
}

}  // namespace kiln::dockerfile
