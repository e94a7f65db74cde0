#include "builder/store/histories.h"

#include <set>

#include "builder/os/dir.h"
#include "builder/store/disk_size.h"

namespace kiln::store {

namespace {

bool is_running(Store& store, const std::string& id) {
  return store.database().run_blocking([&](Tables& tables) {
    for (const BuildRow& row : tables.builds_like(id)) {
      if (row.id == id) return row.status == "running";
    }
    return false;
  });
}

/// An id never leaves ROOT/builds, whoever gave it.
bool is_id(const std::string& id) {
  return !id.empty() && id.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

std::vector<History> list_histories(Store& store) {
  std::vector<BuildRow> rows =
      store.database().run_blocking([](Tables& tables) { return tables.builds(); });
  std::vector<History> histories;
  std::set<std::string> known;
  for (BuildRow& row : rows) {
    known.insert(row.id);
    const std::uint64_t bytes = disk_bytes(store.build_path(row.id));
    histories.push_back({std::move(row), bytes});
  }
  const std::filesystem::path directory = store.root() / "builds";
  for (const os::DirEntry& entry : os::Dir::open(directory).entries()) {
    if (known.contains(entry.name)) continue;
    History history{{}, disk_bytes(directory / entry.name)};
    history.row.id = entry.name;
    histories.push_back(std::move(history));
  }
  return histories;
}

HistoriesRemoved remove_histories(Store& store, const std::vector<std::string>& ids) {
  HistoriesRemoved removed;
  for (const std::string& id : ids) {
    if (!is_id(id) || is_running(store, id)) continue;
    const std::filesystem::path directory = store.build_path(id);
    const std::uint64_t bytes = disk_bytes(directory);
    const bool had_row =
        store.database().run_blocking([&](Tables& tables) { return tables.remove_build(id); });
    if (!had_row && bytes == 0) continue;
    os::remove_tree(directory);
    ++removed.count;
    removed.freed_bytes += bytes;
  }
  return removed;
}

}  // namespace kiln::store
