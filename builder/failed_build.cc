#include "builder/failed_build.h"

#include "builder/build.h"
#include "builder/dockerfile/lower.h"

namespace kiln {

void rethrow_at_step(const std::exception_ptr& failure,
                     const dockerfile::Document& document,
                     const graph::Graph& graph,
                     const solver::Solver& solver,
                     const FailedBuild& build,
                     Services::Parts& parts) {
  const std::optional<graph::VertexId> vertex = solver.failed_vertex();
  if (!vertex) std::rethrow_exception(failure);
  const graph::Vertex& definition = graph[*vertex];
  const auto text = [&](const Error& error) {
    return render(document, {fmt::format("{}: {}", definition.name, error.what()), "",
                             definition.range, 0, ""});
  };
  const int step = solver.step_of(*vertex);
  try {
    std::rethrow_exception(failure);
  } catch (const ops::CommandFailed& error) {
    std::string message = text(error);
    if (error.kept()) {
      parts.failed_steps.add(
          {build.id, build.uid, definition.name, error.exit_code(), os::now_ns(), error.kept()});
      message += fmt::format("\nFor {}, `kiln debug {}` opens a shell in it",
                             parts.failed_steps.kept_for(), build.id);
    }
    throw StepError(std::move(message), step, error.exit_code(), build.log.tail(step));
  } catch (Error& error) {
    error.name_full_disk(parts.store.root().native(), store::kFreeSpace);
    throw Error(error.code(), text(error));
  }
}

}  // namespace kiln
