#include "builder/ops/executor.h"

#include "builder/ops/exec.h"
#include "builder/ops/file.h"
#include "builder/ops/file_list.h"
#include "builder/ops/git_access.h"
#include "builder/ops/git_source.h"
#include "builder/ops/http_source.h"
#include "builder/ops/image_source.h"
#include "builder/ops/stack_content.h"
#include "builder/os/cancellable.h"
#include "builder/os/offload.h"

namespace kiln::ops {

namespace asio = boost::asio;
using graph::VertexId;

BuildExecutor::BuildExecutor(std::shared_ptr<const graph::Graph> graph,
                             ClientInputs inputs,
                             Workshop& workshop)
    : graph_(std::move(graph)), inputs_(std::move(inputs)), workshop_(workshop) {}

asio::awaitable<std::vector<graph::KeyPart>> BuildExecutor::source_parts(
    VertexId vertex, solver::Listener listener) {
  const graph::Vertex& definition = (*graph_)[vertex];
  if (const graph::LocalSource* local = graph::local_source(definition))
    co_return co_await select_local(vertex, *local);
  if (const graph::HttpSource* http = graph::http_source(definition)) {
    if (!http->checksum.empty()) co_return pinned_parts(*http);
    WebFile file = co_await fetch_web_file(*http, inputs_.secrets, listener, workshop_);
    fetched_[vertex] = file.stack;
    co_return file.parts();
  }
  if (const graph::GitSource* git = graph::git_source(definition)) {
    const LentGitAccess lent = co_await lend_git_access(inputs_.secrets, listener, workshop_);
    const GitRevision& revision = revisions_[vertex] =
        co_await resolve_git(*git, lent.access, listener);
    co_return git_parts(*git, revision);
  }
  co_return std::vector<graph::KeyPart>{};  // an image's manifest is in its operation
}

asio::awaitable<std::vector<graph::KeyPart>> BuildExecutor::select_local(
    VertexId vertex, const graph::LocalSource& local) {
  const auto found = inputs_.directories.find(local.name);
  if (found == inputs_.directories.end()) {
    throw Error(Errc::invalid_input, "the build has no context named \"{}\"", local.name);
  }
  auto select = [this, directory = found->second, &local](std::stop_token stop) {
    return select_context(directory, local, std::move(stop), &workshop_.pool);
  };
  ContextSelection& selection = selections_[vertex] =
      co_await os::offload_cancellable(workshop_.pool, select);
  co_return co_await digest_context(selection, workshop_.store.database(), workshop_.pool);
}

asio::awaitable<std::optional<std::vector<graph::KeyPart>>> BuildExecutor::content_parts(
    VertexId vertex, std::size_t input, solver::Stack stack, solver::Listener listener) {
  const graph::Vertex& definition = (*graph_)[vertex];
  if (!is_selected_from(definition, input)) co_return std::nullopt;
  auto lowers = co_await workshop_.layers.unpacked(std::move(stack), inputs_.credentials, listener);
  co_return co_await selected_content(definition, input, std::move(lowers), workshop_);
}

asio::awaitable<solver::Stack> BuildExecutor::load(VertexId vertex, solver::Listener listener) {
  const graph::Vertex& definition = (*graph_)[vertex];
  if (const auto known = fetched_.find(vertex); known != fetched_.end()) co_return known->second;
  if (const graph::ImageSource* image = graph::image_source(definition))
    co_return co_await load_image(*image, inputs_.credentials, listener, workshop_);
  if (const graph::HttpSource* http = graph::http_source(definition))
    co_return (co_await fetch_web_file(*http, inputs_.secrets, listener, workshop_)).stack;
  if (const graph::GitSource* git = graph::git_source(definition)) {
    const LentGitAccess lent = co_await lend_git_access(inputs_.secrets, listener, workshop_);
    co_return co_await load_git(*git, revisions_.at(vertex), lent.access, listener, workshop_);
  }
  co_return solver::Stack{};
}

asio::awaitable<solver::Stack> BuildExecutor::run(VertexId vertex,
                                                  std::vector<solver::Stack> inputs,
                                                  solver::Listener listener) {
  const graph::Vertex& definition = (*graph_)[vertex];
  const auto with_selections = [&] {
    std::vector<FileInput> files;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto selection = selections_.find(definition.inputs[i]);
      files.push_back(
          {selection == selections_.end() ? nullptr : &selection->second, std::move(inputs[i])});
    }
    return files;
  };
  if (const auto* exec = std::get_if<graph::ExecOp>(&definition.op)) {
    co_return co_await run_exec_op(*exec, with_selections(), inputs_.credentials, inputs_.secrets,
                                   listener, workshop_);
  }
  if (graph::is_scratch(definition)) co_return solver::Stack{};
  if (std::holds_alternative<graph::FileOp>(definition.op)) {
    WantedLayer wanted;
    if (wanted_as_blob_.contains(vertex)) wanted = {LayerForm::blob, blob_begun_};
    co_return co_await run_file_op(definition, with_selections(), inputs_.credentials, listener,
                                   wanted, workshop_);
  }
  if (std::holds_alternative<graph::MergeOp>(definition.op)) {
    solver::Stack merged;
    for (const solver::Stack& input : inputs)
      merged.insert(merged.end(), input.begin(), input.end());
    co_return merged;
  }
  // A difference of stacks: what input 1 has above the layers that both share.
  const solver::Stack& lower = inputs.at(0);
  const solver::Stack& upper = inputs.at(1);
  if (upper.size() < lower.size() || !std::equal(lower.begin(), lower.end(), upper.begin())) {
    throw Error(Errc::invalid_input, "{}: the upper file system is not built on the lower one",
                definition.name);
  }
  co_return solver::Stack(upper.begin() + static_cast<std::ptrdiff_t>(lower.size()), upper.end());
}

asio::awaitable<std::string> BuildExecutor::keep_file_list(VertexId source) {
  const auto selection = selections_.find(source);
  if (selection == selections_.end()) co_return "";
  auto keep = [&] { return store::keep_file_list(workshop_.store, list_files(selection->second)); };
  co_return co_await os::offload(workshop_.pool, keep);
}

asio::awaitable<std::vector<Difference>> BuildExecutor::compare_files(VertexId source,
                                                                      std::string earlier_list) {
  const auto selection = selections_.find(source);
  if (selection == selections_.end()) co_return std::vector<Difference>{};
  auto read_and_compare = [&] {
    auto before = store::read_file_list(workshop_.store, earlier_list);
    return before ? compare(std::move(*before), list_files(selection->second))
                  : std::vector<Difference>{};
  };
  co_return co_await os::offload(workshop_.pool, read_and_compare);
}

bool BuildExecutor::usable(const std::vector<store::LayerRow>& layers) const {
  return std::ranges::all_of(
      layers, [this](const auto& layer) { return workshop_.layers.available(layer); });
}

}  // namespace kiln::ops
