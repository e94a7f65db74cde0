// Stages: names, bases, what copies from what, and which of them the target needs.
//
// A plan grows as base images become known, because their ONBUILD triggers are instructions of
// the stages that build on them.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/environment.h"
#include "builder/dockerfile/lint.h"
#include "builder/dockerfile/lower.h"

namespace kiln::dockerfile {

/// Where a COPY, or a mount of a RUN, takes its files from.
struct Origin {
  enum class Kind { context, stage, image, scratch, named };
  Kind kind = Kind::context;
  std::size_t stage = 0;
  std::optional<ImageNeed> image;
  const NamedContext* named = nullptr;  ///< one that is no image
  std::string text;                     ///< as `from` has it, "" when it is not given
  std::size_t offset = 0;               ///< of `from` in the instruction's text
};

/// An instruction of a stage.
struct Step {
  const Instruction* instruction = nullptr;
  bool is_trigger = false;  ///< it came with the base by ONBUILD
  /// Of a COPY or ADD the one; of a RUN one for each of Run::mounts, in their order.
  std::vector<Origin> origins;
};

struct Stage {
  const Instruction* instruction = nullptr;  ///< its FROM
  std::size_t index = 0;
  std::string name;                       ///< "" when it has none
  std::string base;                       ///< expanded
  std::optional<std::size_t> base_stage;  ///< or
  std::optional<ImageNeed> base_image;    ///< or scratch
  bool is_scratch = false;
  const NamedContext* base_context = nullptr;  ///< or one that is no image
  bool is_replaced = false;                    ///< a named context stands for all of the stage
  Platform platform;
  std::vector<Step> steps;
  bool needed = false;
  bool has_triggers = false;             ///< they are among the steps
  std::set<std::string> used_arguments;  ///< by its FROM

  /// What messages and step names call it.
  [[nodiscard]] std::string label() const;
};

class Mistake;  // mistake.h

struct Plan {
  Environment globals;                ///< ARGs before the first FROM and the predefined ones
  ArgumentUses argument_definitions;  ///< the former
  std::optional<std::int64_t> source_date_epoch;
  std::vector<Stage> stages;
  std::size_t target = 0;
  bool shows_stage_names = false;                    ///< there is more than one stage to tell apart
  std::vector<ImageNeed> missing;                    ///< what must be known to go on
  std::vector<std::shared_ptr<const Ast>> triggers;  ///< keeps the triggers' instructions
};

/// Throws DockerfileError. Lints what concerns FROM.
[[nodiscard]] Plan make_plan(const Ast& ast,
                             const LowerOptions& options,
                             const ResolvedImages& known,
                             Linter& linter);

/// Throws the DockerfileError of `mistake` in `instruction`; `trigger` tells that it came from a
/// base image, so that the instruction's own text is not in the file.
[[noreturn]] void fail(const Source& source,
                       const Instruction& instruction,
                       const Mistake& mistake,
                       const Instruction* from_of_trigger = nullptr);

}  // namespace kiln::dockerfile
