#include "builder/store/walked.h"

#include <sys/stat.h>

#include <numeric>
#include <set>

#include "builder/os/dir.h"
#include "builder/store/disk_size.h"

namespace kiln::store {

namespace {

namespace fs = std::filesystem;

Walked::Sizes entries_of(const fs::path& directory) {
  Walked::Sizes sizes;
  struct stat status{};
  if (::lstat(directory.c_str(), &status) != 0) return sizes;
  for (const os::DirEntry& entry : os::Dir::open(directory).entries())
    sizes.emplace(entry.name, disk_bytes(directory / entry.name));
  return sizes;
}

}  // namespace

Walked walk(const Store& store) {
  const fs::path& root = store.root();
  static const std::set<std::string> kFolders{"blobs",  "snapshots", "builds", "cache-mounts",
                                              "failed", "git",       "tmp"};
  Walked walked{.snapshots = entries_of(root / "snapshots"),
                .cache_mounts = entries_of(root / "cache-mounts"),
                .repositories = entries_of(root / "git"),
                .failed = entries_of(root / "failed"),
                .builds = entries_of(root / "builds"),
                .unfinished = entries_of(root / "tmp"),
                .rest = {},
                .blobs = list_blobs(store),
                .directories = {}};
  walked.directories["."] = own_disk_bytes(root);
  walked.directories["blobs/sha256"] = own_disk_bytes(root / "blobs" / "sha256");
  for (const std::string& name : kFolders) {
    if (const std::uint64_t bytes = own_disk_bytes(root / name)) walked.directories[name] = bytes;
  }
  for (const os::DirEntry& entry : os::Dir::open(root).entries()) {
    if (!kFolders.contains(entry.name)) walked.rest[entry.name] = disk_bytes(root / entry.name);
  }
  return walked;
}

std::uint64_t sum_of(const Walked::Sizes& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& one) { return sum + one.second; });
}

}  // namespace kiln::store
