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

/// What each stage is made from: its base and whatever it copies or mounts from.
std::vector<std::vector<std::size_t>> dependencies(const Plan& plan) {
  std::vector<std::vector<std::size_t>> result(plan.stages.size());
  for (const Stage& stage : plan.stages) {
    std::vector<std::size_t>& needed = result[stage.index];
    if (stage.base_stage) needed.push_back(*stage.base_stage);
    for (const Step& step : stage.steps) {
      for (const Origin& origin : step.origins) {
        if (origin.kind == Origin::Kind::stage) needed.push_back(origin.stage);
      }
    }
  }
  return result;
}

/// Numbers the stages so that those which need each other in a circle have the same number.
/// Tarjan's algorithm without recursion: there may be any number of stages.
std::vector<std::size_t> circles_of(const std::vector<std::vector<std::size_t>>& needed) {
  constexpr std::size_t kNone = std::string::npos;
  std::vector<std::size_t> order(needed.size(), kNone);
  std::vector<std::size_t> low(needed.size());
  std::vector<std::size_t> circle(needed.size(), kNone);
  std::vector<std::size_t> open;                          // in no circle yet
  std::vector<std::pair<std::size_t, std::size_t>> path;  // a stage, and its next dependency
  std::size_t count = 0;
  for (std::size_t root = 0; root < needed.size(); ++root) {
    if (order[root] != kNone) continue;
    path.emplace_back(root, 0);
    while (!path.empty()) {
      const auto [stage, next] = path.back();
      if (next == 0) {
        order[stage] = low[stage] = count++;
        open.push_back(stage);
      }
      if (next < needed[stage].size()) {
        ++path.back().second;
        const std::size_t other = needed[stage][next];
        if (order[other] == kNone) {
          path.emplace_back(other, 0);
        } else if (circle[other] == kNone) {
          low[stage] = std::min(low[stage], order[other]);
        }
        continue;
      }
      path.pop_back();
      if (!path.empty()) low[path.back().first] = std::min(low[path.back().first], low[stage]);
      if (low[stage] != order[stage]) continue;
      while (circle[stage] == kNone) {
        circle[open.back()] = stage;
        open.pop_back();
      }
    }
  }
  return circle;
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
  const std::vector<std::size_t> circle = circles_of(dependencies(plan));
  for (const Stage& stage : plan.stages) {
    for (const Step& step : stage.steps) {
      for (const Origin& origin : step.origins) {
        if (origin.kind != Origin::Kind::stage || circle[origin.stage] != circle[stage.index])
          continue;
        fail(ast.source, *step.instruction,
             Mistake(fmt::format("circular dependency detected on stage: {}", stage.label()))
                 .at(origin.offset));
      }
    }
  }
}

}  // namespace kiln::dockerfile
