// What a build that fails tells: the lines of the Dockerfile, and how to look at what a step left.
#pragma once

#include <sys/types.h>

#include <exception>
#include <string>

#include "builder/build_log.h"
#include "builder/dockerfile/document.h"
#include "builder/services_parts.h"
#include "builder/solver/solver.h"

namespace kiln {

struct FailedBuild {
  const std::string& id;
  uid_t uid;  ///< who may look into it
  BuildLog& log;
};

/// Throws `failure` with the lines of `document` that it belongs to; a command's failure becomes a
/// StepError, and what its step left is kept for a while. A failure of no vertex is thrown as it
/// is.
[[noreturn]] void rethrow_at_step(const std::exception_ptr& failure,
                                  const dockerfile::Document& document,
                                  const graph::Graph& graph,
                                  const solver::Solver& solver,
                                  const FailedBuild& build,
                                  Services::Parts& parts);

}  // namespace kiln
