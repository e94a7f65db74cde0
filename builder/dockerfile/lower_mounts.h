// The mounts of a RUN, as its operation has them.
#pragma once

#include <vector>

#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/environment.h"
#include "builder/graph/graph.h"

namespace kiln::dockerfile {

class StageBuilder;

/// Adds the mounts of `run` to `op` in the order that they are written, what they need to `inputs`
/// (those of the vertex but for its file system) and SSH_AUTH_SOCK to the environment. Throws
/// Mistake.
void lower_mounts(StageBuilder& builder,
                  const Run& run,
                  graph::ExecOp& op,
                  std::vector<graph::VertexId>& inputs);

/// The variables that a name for people shows: those that are secrets as "****".
[[nodiscard]] Environment shown_variables(const graph::ExecOp& op, Environment environment);

}  // namespace kiln::dockerfile
