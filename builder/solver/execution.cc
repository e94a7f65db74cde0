#include "builder/solver/execution.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "builder/os/file.h"
#include "builder/solver/lookup.h"

namespace kiln::solver {

namespace asio = boost::asio;

namespace {

using Shared = std::shared_ptr<const Execution>;

/// Layer numbers are never used twice, so equal numbers are equal file systems.
std::string name_of(const Stack& stack) {
  std::string name = "layers";
  for (const store::LayerId layer : stack)
    name += fmt::format(" {}", static_cast<std::int64_t>(layer));
  return name;
}

/// What the vertex does, to inputs of this content; "" where the definition key says as much,
/// because every input is a source, whose key is its content.
asio::awaitable<std::string> content_key(Shared execution) {
  const graph::Graph& graph = *execution->graph;
  const graph::Vertex& vertex = graph[execution->vertex];
  const auto is_own_content = [&graph](graph::VertexId input) { return is_source(graph[input]); };
  if (std::ranges::all_of(vertex.inputs, is_own_content)) co_return "";
  std::vector<graph::KeyPart> parts = graph::key_parts(vertex);
  for (std::size_t i = 0; i < vertex.inputs.size(); ++i) {
    const std::string name = fmt::format("input {}", i);
    if (is_own_content(vertex.inputs[i])) {
      parts.push_back({name, execution->input_keys[i].str()});
      continue;
    }
    const Stack& stack = execution->inputs[i]->stack;
    const auto content = co_await execution->executor->content_parts(execution->vertex, i, stack,
                                                                     execution->broadcast);
    if (!content) {
      parts.push_back({name, name_of(stack)});
      continue;
    }
    for (const graph::KeyPart& part : *content)
      parts.push_back({fmt::format("{} {}", name, part.name), part.value});
  }
  co_return graph::hash_parts(parts).str();
}

/// A record of the definition key that came meanwhile, else one of the content key.
asio::awaitable<SharedOutcome> look_up(Shared execution, std::string content) {
  auto find = [&](store::Tables& tables) {
    const Executor& executor = *execution->executor;
    SharedOutcome found =
        find_usable(tables, execution->key.digest.str(), executor, execution->leases);
    if (found || content.empty()) return found;
    return find_usable_content(tables, content, executor, execution->leases);
  };
  co_return co_await execution->database.run(find);
}

asio::awaitable<void> record(Shared execution, std::string content, SharedOutcome outcome) {
  const std::int64_t now = os::now_ns();
  store::RecordRow row{execution->key.digest.str(),
                       outcome->stack,
                       (*execution->graph)[execution->vertex].name,
                       parts_to_json(execution->key.parts),
                       now,
                       now,
                       std::move(content)};
  auto put = [&row](store::Tables& tables) { tables.put_record(row); };
  co_await execution->database.run(put);
}

}  // namespace

asio::awaitable<Executed> execute(Shared execution) {
  const graph::Vertex& vertex = (*execution->graph)[execution->vertex];
  Executor& executor = *execution->executor;
  if (is_source(vertex)) {
    Stack stack = co_await executor.load(execution->vertex, execution->broadcast);
    co_return Executed{std::make_shared<const Outcome>(std::move(stack), execution->leases), true};
  }
  const os::Limiter::Slot slot = co_await execution->executions.slots.acquire(execution->build);
  const std::string content = co_await content_key(execution);
  if (!vertex.ignore_cache) {
    if (SharedOutcome found = co_await look_up(execution, content)) {
      co_await record(execution, content, found);
      co_return Executed{std::move(found), false};
    }
  }
  std::vector<Stack> inputs;
  for (const SharedOutcome& input : execution->inputs)
    inputs.push_back(input->stack);
  Stack stack = co_await executor.run(execution->vertex, std::move(inputs), execution->broadcast);
  auto outcome = std::make_shared<const Outcome>(std::move(stack), execution->leases);
  co_await record(execution, content, outcome);
  co_return Executed{std::move(outcome), true};
}

}  // namespace kiln::solver
