#include "builder/store/accounting.h"

#include <sys/stat.h>

#include <cerrno>
#include <numeric>

#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "builder/store/disk_size.h"
#include "builder/store/implied_names.h"
#include "proto/error.h"

namespace kiln::store {

namespace {

namespace fs = std::filesystem;

/// 0 when it is not there.
std::int64_t mtime_ns(const fs::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return 0;
    throw system_error(errno, "stat " + path.string());
  }
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

/// The database, the lock, the reserve, running steps' state.
std::uint64_t size_of_rest(const Store& store) {
  static const std::set<std::string> kCountedElsewhere{
      "blobs", "snapshots", "builds", "cache-mounts", "failed", "file-lists", "git", "tmp"};
  std::uint64_t bytes = own_disk_bytes(store.root());
  for (const os::DirEntry& entry : os::Dir::open(store.root()).entries()) {
    if (!kCountedElsewhere.contains(entry.name)) bytes += disk_bytes(store.root() / entry.name);
  }
  return bytes;
}

}  // namespace

DirectoryBook::DirectoryBook(fs::path directory, std::function<bool(const std::string&)> counts)
    : directory_(std::move(directory)), counts_(std::move(counts)) {}

/// True when no name has come or gone since the entries were listed.
bool DirectoryBook::is_listed() {
  // A change within the same tick of the clock leaves the time as it is: it proves something only
  // when it is older than the list.
  constexpr std::int64_t kClockTick = 20'000'000;
  const std::int64_t now = os::now_ns();
  const std::int64_t mtime = mtime_ns(directory_);
  const bool listed = mtime != 0 && mtime == listed_mtime_ns_;
  listed_mtime_ns_ = mtime < now - kClockTick ? mtime : 0;
  return listed;
}

void DirectoryBook::refresh(const std::function<bool(const std::string&)>& is_changing) {
  const auto measure = [&](const std::string& name) {
    return Entry{disk_bytes(directory_ / name), is_changing(name)};
  };
  if (is_listed()) {
    for (auto& [name, entry] : entries_) {
      if (entry.changing || is_changing(name)) entry = measure(name);
    }
    return;
  }
  std::map<std::string, Entry> known = std::exchange(entries_, {});
  own_bytes_ = own_disk_bytes(directory_);
  if (own_bytes_ == 0 && mtime_ns(directory_) == 0) return;
  for (const os::DirEntry& listed : os::Dir::open(directory_).entries()) {
    if (counts_ && !counts_(listed.name)) continue;
    const auto before = known.find(listed.name);
    const bool keeps =
        before != known.end() && !before->second.changing && !is_changing(listed.name);
    entries_.emplace(listed.name, keeps ? before->second : measure(listed.name));
  }
}

void DirectoryBook::clear() {
  entries_.clear();
  listed_mtime_ns_ = 0;
}

std::uint64_t DirectoryBook::sum() const {
  return std::accumulate(
      entries_.begin(), entries_.end(), own_bytes_,
      [](std::uint64_t sum, const auto& entry) { return sum + entry.second.disk_bytes; });
}

Accountant::Accountant(Store& store)
    : store_(store),
      implied_(store.root() / "snapshots", is_implied_name),
      blobs_(store.root() / "blobs" / "sha256"),
      cache_mounts_(store.root() / "cache-mounts"),
      repositories_(store.root() / "git"),
      builds_(store.root() / "builds"),
      failed_steps_(store.root() / "failed"),
      file_lists_(store.root() / "file-lists") {}

Sizes Accountant::measure(const std::set<std::string>& mounts_in_use) {
  Sizes sizes;
  sizes.snapshots = store_.database().run_blocking([&](Tables& tables) {
    const std::vector<std::string> running = tables.running_builds();
    running_builds_ = {running.begin(), running.end()};
    return tables.sum_snapshot_bytes();
  });
  const auto never = [](const std::string&) { return false; };
  implied_.refresh(never);
  sizes.snapshots += implied_.sum();
  blobs_.refresh(never);
  sizes.blobs = blobs_.sum() + own_disk_bytes(store_.root() / "blobs");
  mounts_in_use_ = mounts_in_use;
  cache_mounts_.refresh([&](const std::string& name) { return mounts_in_use.contains(name); });
  sizes.cache_mounts = cache_mounts_.sum();
  // A repository's time is that of its last use (git_cache.h).
  const std::int64_t measured_ns = std::exchange(repositories_measured_ns_, os::now_ns());
  repositories_.refresh([&](const std::string& name) {
    return mtime_ns(store_.root() / "git" / name) >= measured_ns - 1'000'000'000;
  });
  sizes.repositories = repositories_.sum();
  builds_.refresh([&](const std::string& id) { return running_builds_.contains(id); });
  sizes.builds = builds_.sum();
  failed_steps_.refresh(never);
  sizes.failed_steps = failed_steps_.sum();
  file_lists_.refresh(never);
  sizes.rest = size_of_rest(store_) + file_lists_.sum();
  return sizes;
}

void Accountant::rest() {
  for (DirectoryBook* book :
       {&implied_, &blobs_, &cache_mounts_, &repositories_, &builds_, &failed_steps_, &file_lists_})
    book->clear();
}

std::vector<Disposable> Accountant::disposables() const {
  std::vector<Disposable> found;
  const fs::path& root = store_.root();
  using Kind = Disposable::Kind;
  for (const auto& [name, entry] : cache_mounts_.entries()) {
    if (mounts_in_use_.contains(name)) continue;
    found.push_back({Kind::cache_mount, name, mtime_ns(root / "cache-mounts" / name / "about"),
                     entry.disk_bytes});
  }
  for (const auto& [name, entry] : repositories_.entries())
    found.push_back({Kind::repository, name, mtime_ns(root / "git" / name), entry.disk_bytes});
  for (const auto& [id, entry] : builds_.entries()) {
    if (running_builds_.contains(id)) continue;
    found.push_back({Kind::build, id, mtime_ns(root / "builds" / id), entry.disk_bytes});
  }
  return found;
}

}  // namespace kiln::store
