// Where COPY, ADD and the mounts of RUN take files from: which stage, image or context `from`
// names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "builder/dockerfile/stages.h"

namespace kiln::dockerfile {

/// What a plan is made from.
struct Planning {
  const Ast& ast;
  const LowerOptions& options;
  const Plan& plan;
};

/// Fills in the step's origins, all of the plan's stages being known by name. Throws
/// DockerfileError.
void resolve_origins(const Planning& planning, const Stage& stage, Step& step);

/// The last stage so far of that name: a later one hides an earlier one.
[[nodiscard]] std::optional<std::size_t> find_stage(const Plan& plan, std::string_view name);

/// The image that `text` names; throws Mistake when that is no reference.
[[nodiscard]] ImageNeed image_need(const Plan& plan,
                                   const std::string& text,
                                   const Platform& platform,
                                   const Instruction& place,
                                   bool needs_config);

/// The same for a named context that is an image.
[[nodiscard]] ImageNeed context_need(const NamedContext& named,
                                     const Platform& platform,
                                     const Instruction& place,
                                     bool needs_config);

/// True when something comes from elsewhere than the context and the stages.
[[nodiscard]] bool has_other_origins(const Stage& stage);

/// Throws DockerfileError when stages need each other in a circle.
void check_cycles(const Ast& ast, const Plan& plan);

}  // namespace kiln::dockerfile
