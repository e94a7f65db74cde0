#include "builder/ops/stack_content.h"

#include "builder/graph/pattern.h"
#include "builder/ops/hash_files.h"
#include "builder/ops/tree_digest.h"
#include "builder/os/cancellable.h"
#include "builder/snapshot/workspace.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// A path or glob, and what is taken of it.
struct Source {
  std::string text;
  SourceFilter filter;
};

/// What is selected of one input.
struct Selectors {
  std::vector<Source> sources;
  bool whole = false;  ///< something else of it is seen
};

Selectors selectors(const graph::FileOp& op, std::size_t input) {
  Selectors selectors{{}, input == 0};
  for (const graph::FileAction& action : op.actions) {
    const auto* copy = std::get_if<graph::CopyAction>(&action);
    if (!copy || copy->input != input) continue;
    const SourceFilter filter{graph::PatternList(copy->exclude), copy->keep_parents, false};
    for (const std::string& text : copy->sources)
      selectors.sources.push_back({text, filter});
  }
  return selectors;
}

Selectors selectors(const graph::ExecOp& op, std::size_t input) {
  Selectors selectors{{}, input == 0};
  for (const graph::ExecMount& mount : op.mounts) {
    const auto* cache = std::get_if<graph::CacheMount>(&mount);
    selectors.whole |= cache && cache->input == input;
    const auto* bind = std::get_if<graph::BindMount>(&mount);
    if (!bind || bind->input != input) continue;
    selectors.sources.push_back({bind->source, {{}, false, true}});
  }
  return selectors;
}

Selectors selectors(const graph::Vertex& vertex, std::size_t input) {
  if (const auto* file = std::get_if<graph::FileOp>(&vertex.op)) return selectors(*file, input);
  if (const auto* exec = std::get_if<graph::ExecOp>(&vertex.op)) return selectors(*exec, input);
  return {{}, true};
}

/// A mounted file system and what is selected of it.
struct Selected {
  std::unique_ptr<snapshot::View> view;
  std::unique_ptr<os::Dir> root;
  std::vector<SelectedSource> sources;
  bool complete = true;
  [[nodiscard]] SourceTree tree() const { return {root.get(), {}, "the file system"}; }
};

Selected select(const std::vector<Source>& sources,
                const std::vector<std::filesystem::path>& lowers,
                Workshop& workshop,
                const std::stop_token& stop) {
  Selected selected;
  selected.view = std::make_unique<snapshot::View>(workshop.store.make_temp("view"), lowers);
  selected.root = std::make_unique<os::Dir>(os::Dir::open(selected.view->root()));
  const Exclusion none{[](std::string_view) { return false; },
                       [](std::string_view) { return false; }};
  try {
    for (const Source& source : sources) {
      for (SelectedSource& found :
           select_source(selected.tree(), source.text, source.filter, none, stop, &workshop.pool))
        selected.sources.push_back(std::move(found));
    }
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
    selected.complete = false;
  }
  return selected;
}

}  // namespace

bool is_selected_from(const graph::Vertex& vertex, std::size_t input) {
  const Selectors found = selectors(vertex, input);
  return !found.whole && !found.sources.empty();
}

asio::awaitable<std::optional<std::vector<graph::KeyPart>>> selected_content(
    const graph::Vertex& vertex,
    std::size_t input,
    std::vector<std::filesystem::path> lowers,
    Workshop& workshop) {
  const std::vector<Source> sources = selectors(vertex, input).sources;
  auto mount = [&](std::stop_token stop) {
    return std::make_shared<Selected>(select(sources, lowers, workshop, stop));
  };
  // Shared, and let go on the pool: unmounting blocks.
  std::shared_ptr<Selected> selected = co_await os::offload_cancellable(workshop.pool, mount);
  std::optional<std::vector<graph::KeyPart>> parts;
  std::exception_ptr failure;
  try {
    if (selected->complete) {
      SelectedFiles files = co_await os::offload(
          workshop.pool, [&selected] { return regular_files(selected->sources); });
      files.digests.resize(files.entries.size());
      co_await hash_files(selected->tree(), files, workshop.pool);
      parts = co_await os::offload(
          workshop.pool, [&] { return summarize(selected->sources, files, Owners::counted); });
    }
  } catch (...) {
    failure = std::current_exception();
  }
  asio::post(workshop.pool, [owned = std::move(selected)]() mutable { owned.reset(); });
  if (failure) std::rethrow_exception(failure);
  co_return parts;
}

}  // namespace kiln::ops
