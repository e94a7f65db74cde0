#include "builder/ops/repeated_copy.h"

#include <sys/stat.h>

#include <algorithm>

#include "builder/graph/key_encoding.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// Fewer are copied before a second mount has paid.
constexpr std::size_t kMinEntries = 200;

bool has_passages(const SelectedSource& source) {
  return std::ranges::any_of(source.entries, &TreeEntry::is_passage);
}

}  // namespace

const graph::CopyAction* only_copy(const graph::Vertex& vertex) {
  const auto* op = std::get_if<graph::FileOp>(&vertex.op);
  if (op == nullptr || op->actions.size() != 1) return nullptr;
  return std::get_if<graph::CopyAction>(&op->actions.front());
}

std::optional<std::string> repeatable_copy(const graph::Vertex& vertex,
                                           const std::vector<FileInput>& inputs) {
  const graph::CopyAction* copy = only_copy(vertex);
  if (copy == nullptr) return std::nullopt;
  const ContextSelection* selection = inputs.at(copy->input).selection;
  if (selection == nullptr) return std::nullopt;
  std::vector<graph::KeyPart> parts = graph::key_parts(vertex);
  for (const store::LayerId layer : inputs.front().stack)
    parts.push_back({"layer", std::to_string(static_cast<std::int64_t>(layer))});
  parts.push_back({"owners", selection->directory->is_ours ? "kept" : "set"});
  std::size_t count = 0;
  for (const SelectedSource& source : selection->sources) {
    // A directory's contents go into the destination, a file goes to it: never one on the other.
    const bool is_directory = S_ISDIR(source.entries.front().status.st_mode);
    if (has_passages(source) || (!is_directory && copy->unpack_archives)) return std::nullopt;
    parts.push_back({is_directory ? "directory" : "file",
                     is_directory ? source.text : source.text + "\n" + source.name});
    count += source.entries.size();
  }
  if (count < kMinEntries) return std::nullopt;
  return graph::hash_parts(parts).str();
}

asio::awaitable<store::LayerId> find_newest_copy(std::string instruction, Workshop& workshop) {
  auto find = [&](store::Tables& tables) {
    const std::optional<store::CopyRow> row = tables.copy(instruction);
    // Looking the layer up keeps it while this build runs.
    return row && tables.layer(row->newest) ? row->newest : store::LayerId{};
  };
  co_return co_await workshop.store.database().run(find);
}

asio::awaitable<void> keep_newest_copy(std::string instruction,
                                       store::LayerId layer,
                                       Workshop& workshop) {
  auto keep = [&](store::Tables& tables) {
    if (tables.copy(instruction)) {
      tables.set_newest_copy(instruction, layer);
    } else {
      tables.put_copy(instruction, {layer, "", layer});
    }
  };
  co_await workshop.store.database().run(keep);
}

asio::awaitable<std::optional<EarlierCopy>> find_earlier_copy(std::string instruction,
                                                              Workshop& workshop) {
  auto find = [&](store::Tables& tables) -> std::optional<store::CopyRow> {
    std::optional<store::CopyRow> row = tables.copy(instruction);
    if (!row) return std::nullopt;
    // Looking the layer up keeps it while this build runs.
    const std::optional<store::LayerRow> layer = tables.layer(row->whole);
    if (!layer || !layer->has_snapshot || layer->delta_of != store::LayerId{}) return std::nullopt;
    (void)tables.layer(row->newest);
    return row;
  };
  const std::optional<store::CopyRow> row = co_await workshop.store.database().run(find);
  if (!row) co_return std::nullopt;
  auto read = [&]() -> std::optional<EarlierCopy> {
    struct stat status{};
    if (::lstat(workshop.store.snapshot_path(row->whole).c_str(), &status) != 0 ||
        !S_ISDIR(status.st_mode)) {
      return std::nullopt;
    }
    std::optional<CopiedFiles> files = decode_copied_files(row->files);
    if (!files) return std::nullopt;
    return EarlierCopy{row->whole, row->newest, std::move(*files)};
  };
  co_return co_await os::offload(workshop.pool, read);
}

asio::awaitable<void> keep_copy(std::string instruction,
                                store::LayerId layer,
                                const std::optional<EarlierCopy>& made,
                                const CopyJournal& journal,
                                Workshop& workshop) {
  if (made) {
    // When a quarter is different, the next run begins from nothing: differences do not add up.
    const bool is_near = journal.count_made() <= journal.count_kept() / 3;
    auto keep = [&](store::Tables& tables) {
      if (is_near) {
        tables.set_newest_copy(instruction, layer);
      } else {
        tables.remove_copy(instruction);
      }
    };
    co_await workshop.store.database().run(keep);
    co_return;
  }
  auto list = [&journal] { return encode(journal.noted()); };
  const store::CopyRow row{layer, co_await os::offload(workshop.pool, list), layer};
  auto keep = [&](store::Tables& tables) { tables.put_copy(instruction, row); };
  co_await workshop.store.database().run(keep);
}

}  // namespace kiln::ops
