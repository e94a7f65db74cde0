#include "builder/dockerfile/origins.h"

#include <algorithm>
#include <charconv>

#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/suggest.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// A number is the index of a stage for COPY, and the name of an image for a mount.
enum class Numbers { are_indexes, are_names };

void take_named(Origin& origin,
                const NamedContext& named,
                const Platform& platform,
                const Instruction& place) {
  const auto* image = std::get_if<ImageContext>(&named.from);
  if (!image) {
    origin.kind = Origin::Kind::named;
    origin.named = &named;
  } else if (!image->reference) {
    origin.kind = Origin::Kind::scratch;
  } else {
    origin.kind = Origin::Kind::image;
    origin.image = context_need(named, platform, place, false);
  }
}

Origin origin_of(const Planning& planning,
                 const std::string& from,
                 Numbers numbers,
                 const Instruction& place) {
  const Plan& plan = planning.plan;
  Origin origin;
  if (from.empty()) return origin;
  int index = 0;
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), index);
  if (numbers == Numbers::are_indexes && error == std::errc{} && end == from.data() + from.size()) {
    if (index < 0 || static_cast<std::size_t>(index) >= plan.stages.size()) {
      throw Mistake(fmt::format("invalid stage index {}", index),
                    fmt::format("there are {} stages, counted from 0", plan.stages.size()));
    }
    origin.kind = Origin::Kind::stage;
    origin.stage = static_cast<std::size_t>(index);
  } else if (const auto stage = find_stage(plan, from)) {
    origin.kind = Origin::Kind::stage;
    origin.stage = *stage;
  } else if (from == "scratch") {
    origin.kind = Origin::Kind::scratch;
  } else if (const NamedContext* named =
                 find_context(planning.options.contexts, from, planning.options.target_platform)) {
    take_named(origin, *named, planning.options.target_platform, place);
  } else {
    origin.kind = Origin::Kind::image;
    origin.image = image_need(plan, from, planning.options.target_platform, place, false);
  }
  return origin;
}

void check_constant(const Planning& planning, const std::string& from) {
  if (expand(from, Environment(), {.escape = planning.ast.escape}).text == from) return;
  throw Mistake("variable expansion is not supported for --from",
                "define a new stage with FROM using ARG from global scope");
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as there are stages that copy from each other
bool reaches(const Plan& plan, std::size_t from, std::size_t goal, std::vector<bool>& seen) {
  if (seen[from]) return false;
  seen[from] = true;
  const Stage& stage = plan.stages[from];
  const auto leads = [&](std::size_t next) {
    return next == goal || reaches(plan, next, goal, seen);
  };
  if (stage.base_stage && leads(*stage.base_stage)) return true;
  return std::ranges::any_of(stage.steps, [&](const Step& step) {
    return std::ranges::any_of(step.origins, [&](const Origin& origin) {
      return origin.kind == Origin::Kind::stage && leads(origin.stage);
    });
  });
}

}  // namespace

void resolve_origins(const Planning& planning, const Stage& stage, Step& step) {
  const Instruction& instruction = *step.instruction;
  const Instruction& place = step.is_trigger ? *stage.instruction : instruction;
  const auto add = [&](const std::string& from, std::size_t offset, Numbers numbers) {
    try {
      if (numbers == Numbers::are_indexes) check_constant(planning, from);
      Origin origin = origin_of(planning, from, numbers, place);
      origin.text = from;
      origin.offset = offset;
      step.origins.push_back(std::move(origin));
    } catch (Mistake& mistake) {
      mistake.set_offset(offset);
      fail(planning.ast.source, instruction, mistake,
           step.is_trigger ? stage.instruction : nullptr);
    }
  };
  if (std::holds_alternative<Copy>(instruction.command)) {
    const Flag* from = instruction.flag("from");
    add(from ? *from->value : "", from ? from->offset : 0, Numbers::are_indexes);
  } else if (const auto* run = std::get_if<Run>(&instruction.command)) {
    for (const MountFlag& mount : run->mounts) {
      const MountField* from = mount.field("from");
      const bool given = from && from->value;
      add(given ? *from->value : "", given ? from->offset : mount.offset, Numbers::are_names);
    }
  }
}

std::optional<std::size_t> find_stage(const Plan& plan, std::string_view name) {
  const std::string folded = lower(name);
  for (std::size_t i = plan.stages.size(); i-- > 0;) {
    if (plan.stages[i].name == folded) return i;
  }
  return std::nullopt;
}

ImageNeed image_need(const Plan& plan,
                     const std::string& text,
                     const Platform& platform,
                     const Instruction& place,
                     bool needs_config) {
  try {
    return {Reference::parse(text).or_latest(), platform, text, place.range, needs_config};
  } catch (const Error& error) {
    std::vector<std::string> names;
    for (const Stage& stage : plan.stages) {
      if (!stage.name.empty()) names.push_back(stage.name);
    }
    throw Mistake(error.what(), did_you_mean(text, names));
  }
}

ImageNeed context_need(const NamedContext& named,
                       const Platform& platform,
                       const Instruction& place,
                       bool needs_config) {
  const auto& image = std::get<ImageContext>(named.from);
  return {image.reference->or_latest(),
          platform,
          named.value,
          place.range,
          needs_config,
          named.name,
          image.in_layout};
}

bool has_other_origins(const Stage& stage) {
  // source: BuildKit counts a mount without `from` as one from the empty image, whatever its type.
  return std::ranges::any_of(stage.steps, [](const Step& step) {
    const bool is_run = std::holds_alternative<Run>(step.instruction->command);
    return std::ranges::any_of(step.origins, [&](const Origin& origin) {
      return origin.kind == Origin::Kind::image || origin.kind == Origin::Kind::scratch ||
             origin.kind == Origin::Kind::named || (is_run && origin.kind == Origin::Kind::context);
    });
  });
}

void check_cycles(const Ast& ast, const Plan& plan) {
  for (const Stage& stage : plan.stages) {
    for (const Step& step : stage.steps) {
      for (const Origin& origin : step.origins) {
        if (origin.kind != Origin::Kind::stage) continue;
        std::vector<bool> seen(plan.stages.size());
        if (origin.stage != stage.index && !reaches(plan, origin.stage, stage.index, seen))
          continue;
        fail(ast.source, *step.instruction,
             Mistake(fmt::format("circular dependency detected on stage: {}", stage.label()))
                 .at(origin.offset));
      }
    }
  }
}

}  // namespace kiln::dockerfile
