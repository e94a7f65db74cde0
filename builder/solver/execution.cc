#include "builder/solver/execution.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "builder/os/file.h"
#include "builder/solver/content_key.h"
#include "builder/solver/lookup.h"

namespace kiln::solver {

namespace asio = boost::asio;

namespace {

using Shared = std::shared_ptr<const Execution>;

/// What the vertex does, to inputs of this content; nullopt where the definition key says as much,
/// because every input is a source, whose key is its content.
asio::awaitable<std::optional<ContentKey>> content_key(Shared execution) {
  const graph::Graph& graph = *execution->graph;
  const graph::Vertex& vertex = graph[execution->vertex];
  const auto is_own_content = [&graph](graph::VertexId input) { return is_source(graph[input]); };
  if (std::ranges::all_of(vertex.inputs, is_own_content)) co_return std::nullopt;
  std::vector<graph::KeyPart> parts = graph::key_parts(vertex);
  std::vector<WholeInput<store::LayerId>> whole;
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
      whole.push_back({i, stack});
      continue;
    }
    for (const graph::KeyPart& part : *content)
      parts.push_back({fmt::format("{} {}", name, part.name), part.value});
  }
  co_return ContentKey{graph::hash_parts(parts), std::move(whole)};
}

/// The content key as other machines have it; "" when a layer's content is not known yet.
std::string portable(store::Tables& tables, const ContentKey& content) {
  const auto inputs =
      to_diff_ids(content, [&tables](store::LayerId layer) -> std::optional<DiffId> {
        const std::optional<store::LayerRow> row = tables.layer(layer);
        return row ? row->diff_id : std::nullopt;
      });
  return inputs ? portable_content_key(content.own, *inputs) : "";
}

/// A record of the content that another machine made.
asio::awaitable<SharedOutcome> ask_remotely(Shared execution, ContentKey content) {
  auto name = [&content](store::Tables& tables) { return portable(tables, content); };
  const std::string key = co_await execution->database.run(name);
  if (key.empty()) co_return nullptr;
  const std::optional<RemoteRecord> record = co_await execution->remote->by_content(key);
  if (!record) co_return nullptr;
  auto take = [&](store::Tables& tables) {
    return adopt(tables, *record, *execution->executor, execution->leases);
  };
  SharedOutcome found = co_await execution->database.run(take);
  if (found) execution->broadcast->log(1, "imported from " + record->from + "\n");
  co_return found;
}

/// A record of the definition key that came meanwhile, else one of the content key.
asio::awaitable<Found> look_up(Shared execution, std::optional<ContentKey> content) {
  auto find = [&](store::Tables& tables) {
    const Executor& executor = *execution->executor;
    Found found = find_usable(tables, execution->key.digest.str(), executor, execution->leases);
    if (found.outcome || !content) return found;
    const bool gone = found.gone;
    found = find_usable_content(tables, content->str(), executor, execution->leases);
    found.gone = found.gone || gone;
    return found;
  };
  Found found = co_await execution->database.run(find);
  if (!found.outcome && content && execution->remote)
    found.outcome = co_await ask_remotely(execution, std::move(*content));
  co_return found;
}

/// So many records are compared with a step, of its name and of its place each.
constexpr int kCandidates = 16;
/// So many differences are told; of a large tree all may differ.
constexpr std::size_t kToldDifferences = 10;

asio::awaitable<StepExplained> explain_changes(Shared execution) {
  const StepTitle title = title_of((*execution->graph)[execution->vertex].name);
  auto find = [&title](store::Tables& tables) {
    return tables.records_named(title.title, title.prefix, kCandidates);
  };
  const std::vector<store::RecordRow> candidates = co_await execution->database.run(find);
  const std::vector<graph::KeyPart> parts =
      parts_with_inputs(execution->key.parts, execution->described, {});
  std::optional<Explanation> found = explain_miss(title, parts, execution->described, candidates);
  if (!found) co_return StepExplained{};
  StepExplained explained{0, MissReason::changed, std::move(found->differences), 0};
  for (const FilesToCompare& files : found->files) {
    std::vector<Difference> differences =
        co_await execution->executor->compare_files(files.source, files.earlier_list);
    if (differences.empty()) differences = files.otherwise;
    std::ranges::move(differences, std::back_inserter(explained.differences));
  }
  if (explained.differences.size() > kToldDifferences) {
    explained.more = explained.differences.size() - kToldDifferences;
    explained.differences.resize(kToldDifferences);
  }
  co_return explained;
}

/// Tells those who follow the step why it runs.
asio::awaitable<void> explain(Shared execution, bool gone) {
  const graph::Vertex& vertex = (*execution->graph)[execution->vertex];
  if (vertex.name.empty()) co_return;  // users did not write it, and don't see it
  StepExplained explained;
  if (vertex.ignore_cache) {
    explained.reason = MissReason::no_cache;
  } else if (gone) {
    explained.reason = MissReason::gone;
  } else {
    explained = co_await explain_changes(execution);
  }
  execution->broadcast->explained(explained);
}

asio::awaitable<void> record(Shared execution, std::string content, SharedOutcome outcome) {
  const std::int64_t now = os::now_ns();
  std::vector<std::string> lists;
  for (const DescribedInput& input : execution->described)
    lists.push_back(co_await execution->executor->keep_file_list(input.vertex));
  store::RecordRow row{
      execution->key.digest.str(),
      outcome->stack,
      (*execution->graph)[execution->vertex].name,
      parts_to_json(parts_with_inputs(execution->key.parts, execution->described, lists)),
      now,
      now,
      std::move(content),
      {}};
  for (std::string& list : lists) {
    if (!list.empty()) row.file_lists.push_back(std::move(list));
  }
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
  const std::optional<ContentKey> key = co_await content_key(execution);
  const std::string content = key ? key->str() : "";
  bool gone = execution->gone;
  if (!vertex.ignore_cache) {
    Found found = co_await look_up(execution, key);
    if (found.outcome) {
      co_await record(execution, content, found.outcome);
      co_return Executed{std::move(found.outcome), false};
    }
    gone = gone || found.gone;
  }
  co_await explain(execution, gone);
  std::vector<Stack> inputs;
  for (const SharedOutcome& input : execution->inputs)
    inputs.push_back(input->stack);
  Stack stack = co_await executor.run(execution->vertex, std::move(inputs), execution->broadcast);
  auto outcome = std::make_shared<const Outcome>(std::move(stack), execution->leases);
  co_await record(execution, content, outcome);
  co_return Executed{std::move(outcome), true};
}

}  // namespace kiln::solver
