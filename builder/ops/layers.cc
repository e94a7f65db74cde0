#include "builder/ops/layers.h"

#include <sys/stat.h>

#include <cerrno>
#include <ranges>
#include <set>

#include "builder/ops/layer_blob.h"
#include "builder/os/cancellable.h"
#include "builder/os/dir.h"
#include "builder/os/task_group.h"
#include "builder/snapshot/implied_directories.h"
#include "builder/snapshot/workspace.h"
#include "builder/solver/phase_timer.h"
#include "builder/store/foreign_layer.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

std::string key_of(store::LayerId layer) {
  return std::to_string(static_cast<std::int64_t>(layer));
}

bool has_directory(const std::filesystem::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// Leaves the topmost of equal layers: it hides all that those below have, and overlayfs refuses a
/// directory that is there twice.
void drop_repeated(solver::Stack& stack) {
  std::set<store::LayerId> seen;
  solver::Stack top_first;
  for (const store::LayerId layer : std::views::reverse(stack)) {
    if (seen.insert(layer).second) top_first.push_back(layer);
  }
  stack.assign(top_first.rbegin(), top_first.rend());
}

void make_implied(store::Store& store,
                  const std::vector<snapshot::LayerTree>& trees,
                  const std::filesystem::path& target) {
  const os::TempDir scratch = store.make_temp("implied");
  const std::filesystem::path made = scratch.path() / "tree";
  if (::mkdir(made.c_str(), 0700) != 0)
    throw system_error(errno, "make directory " + made.string());
  snapshot::restore_implied(trees, made);
  // Two builds may make it at the same time: one does for both.
  if (::rename(made.c_str(), target.c_str()) != 0 && !has_directory(target))
    throw system_error(errno, "name the directory " + target.string());
}

}  // namespace

Layers::Layers(asio::any_io_executor executor,
               store::Store& store,
               registry::Client& registry,
               asio::thread_pool& pool,
               int processors)
    : store_(store),
      pool_(pool),
      processors_(processors),
      downloads_(executor, store.blobs(), registry, pool),
      unpacker_(store, downloads_, pool, processors),
      unpacking_(executor),
      making_blobs_(executor) {}

asio::awaitable<solver::Stack> Layers::of_image(oci::Manifest manifest,
                                                oci::ImageConfig config,
                                                std::string origin) {
  if (manifest.layers.size() != config.diff_ids.size()) {
    throw Error(Errc::corrupt, "the manifest has {} layers, the configuration {} diff_ids",
                manifest.layers.size(), config.diff_ids.size());
  }
  auto find_or_add = [&](store::Tables& tables) {
    solver::Stack stack;
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
      const oci::Descriptor& blob = manifest.layers[i];
      stack.push_back(
          store::find_or_add_layer(tables, {config.diff_ids[i], blob.digest, blob.size_bytes,
                                            blob.media_type, origin, os::now_ns()}));
    }
    return stack;
  };
  co_return co_await store_.database().run(find_or_add);
}

bool Layers::has_snapshot(const store::LayerRow& layer) const {
  return layer.has_snapshot && has_directory(store_.snapshot_path(layer.id)) &&
         (layer.delta_of == store::LayerId{} ||
          has_directory(store_.snapshot_path(layer.delta_of)));
}

bool Layers::available(const store::LayerRow& layer) const {
  if (has_snapshot(layer)) return true;
  return layer.blob && (!layer.origin.empty() || store_.blobs().has(*layer.blob, layer.blob_bytes));
}

asio::awaitable<store::LayerRow> Layers::row(store::LayerId layer) {
  auto find = [layer](store::Tables& tables) { return tables.layer(layer); };
  std::optional<store::LayerRow> found = co_await store_.database().run(find);
  check(found.has_value(), "a leased layer has a row");
  co_return std::move(*found);
}

asio::awaitable<std::vector<std::filesystem::path>> Layers::unpacked(
    solver::Stack stack, registry::CredentialsProvider credentials, solver::Listener listener) {
  drop_repeated(stack);
  std::vector<asio::awaitable<void>> tasks;
  for (const store::LayerId layer : stack)
    tasks.push_back(unpack_one(layer, credentials, listener));
  co_await os::all_of(std::move(tasks));
  const std::size_t count = co_await count_to_top_implied(stack);
  std::filesystem::path implied;
  if (count > 1) {
    implied = co_await implied_of(
        solver::Stack(stack.begin(), stack.begin() + static_cast<std::ptrdiff_t>(count)));
  }
  std::vector<std::filesystem::path> paths;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    const store::LayerRow known = co_await row(stack[i]);
    for (std::filesystem::path& path : directories_of(known)) {
      // Two differences from one layer: the upper of its two places hides the lower.
      std::erase(paths, path);
      paths.push_back(std::move(path));
    }
    if (!implied.empty() && i + 1 == count) paths.push_back(implied);
  }
  co_return paths;
}

std::vector<std::filesystem::path> Layers::directories_of(const store::LayerRow& layer) const {
  std::vector<std::filesystem::path> paths;
  if (layer.delta_of != store::LayerId{}) paths.push_back(store_.snapshot_path(layer.delta_of));
  paths.push_back(store_.snapshot_path(layer.id));
  return paths;
}

/// How many layers there are up to the topmost that has implied directories.
asio::awaitable<std::size_t> Layers::count_to_top_implied(solver::Stack stack) {
  auto find = [&stack](store::Tables& tables) {
    std::size_t count = stack.size();
    while (count > 0 && !tables.has_implied_directories(stack[count - 1]))
      --count;
    return count;
  };
  co_return co_await store_.database().run(find);
}

/// The directory that goes above `stack`, made once.
asio::awaitable<std::filesystem::path> Layers::implied_of(solver::Stack stack) {
  const std::filesystem::path target = store_.implied_path(stack);
  if (has_directory(target)) co_return target;
  auto read = [this, &stack](store::Tables& tables) {
    std::vector<snapshot::LayerTree> trees;
    for (const store::LayerId layer : stack) {
      for (std::filesystem::path& path : directories_of(tables.layer(layer).value()))
        trees.push_back({std::move(path), {}});
      trees.back().implied = tables.implied_directories(layer);
    }
    return trees;
  };
  const std::vector<snapshot::LayerTree> trees = co_await store_.database().run(read);
  auto make = [this, &trees, &target] { make_implied(store_, trees, target); };
  co_await os::offload(pool_, make);
  co_return target;
}

asio::awaitable<void> Layers::unpack_one(store::LayerId layer,
                                         registry::CredentialsProvider credentials,
                                         solver::Listener listener) {
  if (has_snapshot(co_await row(layer))) co_return;
  co_await unpacking_.run(key_of(layer), [this, layer, credentials, listener] {
    return unpack_now(layer, credentials, listener);
  });
}

asio::awaitable<bool> Layers::unpack_now(store::LayerId layer,
                                         registry::CredentialsProvider credentials,
                                         solver::Listener listener) {
  const store::LayerRow known = co_await row(layer);
  if (!known.blob) {
    throw Error(
        Errc::corrupt,
        "the snapshot of layer {} is gone and no blob of it exists; build again with --no-cache",
        key_of(layer));
  }
  const Unpacked result = co_await unpacker_.unpack(known, credentials, listener);
  auto keep = [&](store::Tables& tables) {
    tables.set_layer_snapshot(layer, true, result.disk_bytes);
    tables.set_implied_directories(layer, result.applied.implied);
  };
  co_await store_.database().run(keep);
  co_return true;
}

asio::awaitable<void> Layers::restore_blobs(oci::Manifest manifest,
                                            registry::CredentialsProvider credentials,
                                            solver::Listener listener) {
  std::set<Digest> missing;
  for (const oci::Descriptor& layer : manifest.layers) {
    if (!store_.blobs().has(layer.digest, layer.size_bytes)) missing.insert(layer.digest);
  }
  if (missing.empty()) co_return;
  auto find = [&missing](store::Tables& tables) {
    std::vector<store::LayerRow> rows;
    for (store::LayerRow& row : tables.layers()) {
      if (row.blob && missing.erase(*row.blob) > 0) rows.push_back(std::move(row));
    }
    return rows;
  };
  std::vector<asio::awaitable<void>> tasks;
  for (const store::LayerRow& row : co_await store_.database().run(find))
    tasks.push_back(blob_of_one(row.id, credentials, listener));
  co_await os::all_of(std::move(tasks));
}

asio::awaitable<std::vector<store::LayerRow>> Layers::with_blobs(
    solver::Stack stack, registry::CredentialsProvider credentials, solver::Listener listener) {
  auto read = [&stack](store::Tables& tables) {
    std::vector<store::LayerRow> rows;
    for (const store::LayerId layer : stack)
      rows.push_back(tables.layer(layer).value());
    return rows;
  };
  std::vector<store::LayerRow> rows = co_await store_.database().run(read);
  std::vector<asio::awaitable<void>> tasks;
  for (const store::LayerRow& known : rows) {
    if (!known.blob || !store_.blobs().has(*known.blob, known.blob_bytes)) {
      tasks.push_back(blob_of_one(known.id, credentials, listener));
    }
  }
  if (tasks.empty()) co_return rows;
  co_await os::all_of(std::move(tasks));
  co_return co_await store_.database().run(read);
}

asio::awaitable<void> Layers::blob_of_one(store::LayerId layer,
                                          registry::CredentialsProvider credentials,
                                          solver::Listener listener) {
  co_await making_blobs_.run(key_of(layer), [this, layer, credentials, listener] {
    return blob_now(layer, credentials, listener);
  });
}

asio::awaitable<bool> Layers::blob_now(store::LayerId layer,
                                       registry::CredentialsProvider credentials,
                                       solver::Listener listener) {
  const store::LayerRow known = co_await row(layer);
  // What came from a registry is taken from there again: the same bytes under the same digest.
  if (known.blob && !known.origin.empty()) {
    co_await fetch(blob_of(known), known.origin, credentials, listener);
    co_return true;
  }
  if (!has_snapshot(known)) {
    throw Error(Errc::corrupt, "layer {} is gone from the store; build it again", key_of(layer));
  }
  BlobSources sources{directories_of(known), {}, std::nullopt, {}, nullptr, nullptr};
  auto read = [&](store::Tables& tables) {
    sources.implied = tables.implied_directories(layer);
    sources.predecessor = tables.layer(known.predecessor);
    sources.predecessor_blocks = tables.layer_blocks(known.predecessor);
  };
  co_await store_.database().run(read);
  auto work = [&](std::stop_token stop) {
    return write_blob(store_, sources, processors_, std::move(stop));
  };
  solver::PhaseTimer timer(listener, Phase::compress, "layer " + key_of(layer));
  const layer::LayerBlob blob = co_await os::offload_cancellable(pool_, work);
  timer.stop(known.snapshot_bytes);
  auto keep = [&](store::Tables& tables) { keep_blob(tables, layer, blob); };
  co_await store_.database().run(keep);
  co_return true;
}

asio::awaitable<void> Layers::fetch(oci::Descriptor blob,
                                    std::string origin,
                                    registry::CredentialsProvider credentials,
                                    solver::Listener listener) {
  co_await downloads_.fetch(std::move(blob), std::move(origin), std::move(credentials),
                            std::move(listener));
}

asio::awaitable<void> Layers::drain() {
  co_await unpacking_.drain();
  co_await making_blobs_.drain();
  co_await downloads_.drain();
}

}  // namespace kiln::ops
