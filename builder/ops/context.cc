#include "builder/ops/context.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "builder/graph/pattern.h"
#include "builder/ops/xattrs.h"
#include "builder/os/file.h"
#include "builder/os/offload.h"
#include "builder/os/task_group.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadBytes = 1024 * 1024;

/// Time stamps are as coarse as the kernel's tick (up to 10 ms); file systems without fractions
/// count seconds, FAT two. A file changed so shortly before it was hashed may change again without
/// showing it.
constexpr std::int64_t kTickNs = 20'000'000;
constexpr std::int64_t kCoarseNs = 2'000'000'000;

std::int64_t to_ns(const timespec& time) {
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

store::FileIdentity identity(const struct stat& status) {
  return {status.st_dev,         status.st_ino,         static_cast<std::uint64_t>(status.st_size),
          to_ns(status.st_mtim), to_ns(status.st_ctim), status.st_mode};
}

bool is_racy(const struct stat& status, std::int64_t hashed_ns) {
  const bool coarse = status.st_ctim.tv_nsec == 0 && status.st_mtim.tv_nsec == 0;
  return to_ns(status.st_ctim) + (coarse ? kCoarseNs : kTickNs) >= hashed_ns;
}

void add_xattrs(const std::vector<Xattr>& xattrs, Sha256& sha) {
  for (const Xattr& xattr : xattrs) {
    sha.update(fmt::format("{}:{}{}:", xattr.name.size(), xattr.name, xattr.value.size()));
    sha.update(xattr.value);
  }
}

/// The digest of a file's bytes, and of its xattrs when it has some.
Digest hash_file(const SourceTree& tree, const TreeEntry& entry, std::vector<std::byte>& buffer) {
  const os::Fd fd = open_entry(tree, entry);
  Sha256 sha;
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0) throw system_error(errno, fmt::format("read \"{}\"", entry.path));
    if (count == 0) break;
    sha.update(Bytes(buffer).first(static_cast<std::size_t>(count)));
  }
  const std::vector<Xattr> xattrs = read_xattrs(fd.get());
  check_unchanged(fd.get(), entry);
  Digest content = sha.finish();
  if (xattrs.empty()) return content;
  Sha256 both;
  both.update(content.str());
  add_xattrs(xattrs, both);
  return both.finish();
}

/// Regular files of a selection, in order, and what is known of each.
struct Files {
  std::vector<const TreeEntry*> entries;
  std::vector<store::FileIdentity> identities;
  std::vector<std::optional<Digest>> digests;
};

Files regular_files(const ContextSelection& selection) {
  Files files;
  for (const SelectedSource& source : selection.sources) {
    for (const TreeEntry& entry : source.entries) {
      if (!S_ISREG(entry.status.st_mode)) continue;
      files.entries.push_back(&entry);
      files.identities.push_back(identity(entry.status));
    }
  }
  return files;
}

/// Takes the next file that has no digest until none is left; several run side by side.
void hash_some(const SourceTree& tree,
               Files& files,
               std::atomic<std::size_t>& next,
               const std::vector<std::size_t>& missing) {
  std::vector<std::byte> buffer(kReadBytes);
  for (std::size_t i = next++; i < missing.size(); i = next++) {
    files.digests[missing[i]] = hash_file(tree, *files.entries[missing[i]], buffer);
  }
}

asio::awaitable<void> hash_on_pool(asio::thread_pool& pool,
                                   const SourceTree& tree,
                                   Files& files,
                                   std::atomic<std::size_t>& next,
                                   const std::vector<std::size_t>& missing) {
  co_await os::offload(pool, [&] { hash_some(tree, files, next, missing); });
}

asio::awaitable<void> hash_missing(const ContextSelection& selection,
                                   Files& files,
                                   store::Database& database,
                                   asio::thread_pool& pool) {
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < files.entries.size(); ++i) {
    if (!files.digests[i]) missing.push_back(i);
  }
  if (missing.empty()) co_return;
  const std::int64_t started_ns = os::now_ns();
  const SourceTree tree = selection.tree();
  std::atomic<std::size_t> next{0};
  std::vector<asio::awaitable<void>> tasks;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    tasks.push_back(hash_on_pool(pool, tree, files, next, missing));
  }
  co_await os::all_of(std::move(tasks));

  if (selection.directory->is_ours) co_return;
  std::vector<store::FileDigestRow> rows;
  for (const std::size_t i : missing) {
    if (is_racy(files.entries[i]->status, started_ns)) continue;
    rows.push_back({files.identities[i], *files.digests[i]});
  }
  auto keep = [&rows](store::Tables& tables) { tables.put_file_digests(rows); };
  if (!rows.empty()) co_await database.run(keep);
}

/// One line an entry: what of it an image would show, but for the time, and for the owner where
/// copies do not keep it.
void describe(const TreeEntry& entry,
              const std::string& name,
              const std::optional<Digest>& digest,
              bool with_owner,
              Sha256& sha) {
  const struct stat& status = entry.status;
  std::string line = fmt::format("{}:{} {:o} ", name.size(), name, status.st_mode);
  if (with_owner) line += fmt::format("{}:{} ", status.st_uid, status.st_gid);
  if (S_ISREG(status.st_mode)) {
    line += digest->hex();
  } else if (S_ISLNK(status.st_mode)) {
    line += fmt::format("{}:{}", entry.link_target.size(), entry.link_target);
  } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    line += std::to_string(status.st_rdev);
  }
  sha.update(line);
  add_xattrs(entry.xattrs, sha);
  sha.update("\n");
}

std::vector<graph::KeyPart> summarize(const ContextSelection& selection, const Files& files) {
  std::vector<graph::KeyPart> parts;
  std::size_t file = 0;
  for (const SelectedSource& source : selection.sources) {
    Sha256 sha;
    const std::string& top = source.entries.front().path;
    for (const TreeEntry& entry : source.entries) {
      // Names count below the source; its own place does not (a copy shows only its last
      // component).
      const std::string name = entry.path.size() > top.size()
                                   ? entry.path.substr(top.empty() ? 0 : top.size() + 1)
                                   : std::string();
      const bool regular = S_ISREG(entry.status.st_mode);
      describe(entry, name, regular ? files.digests[file++] : std::nullopt,
               selection.directory->is_ours, sha);
    }
    parts.push_back({fmt::format("source {} {}", source.text, source.name), sha.finish().str()});
  }
  return parts;
}

}  // namespace

ContextSelection select_context(std::shared_ptr<const ClientDirectory> directory,
                                const graph::LocalSource& source,
                                std::stop_token stop) {
  const graph::PatternList ignore(source.exclude);
  const Exclusion exclusion{
      [&ignore](std::string_view path) { return ignore.excludes(path); },
      [&ignore](std::string_view path) { return ignore.excludes_subtree(path); }};
  ContextSelection selection{std::move(directory), {}};
  const std::vector<std::string> everything{""};
  for (const std::string& pattern : source.include.empty() ? everything : source.include) {
    for (SelectedSource& found : select_source(selection.tree(), pattern, exclusion, stop)) {
      selection.sources.push_back(std::move(found));
    }
  }
  return selection;
}

asio::awaitable<std::vector<graph::KeyPart>> digest_context(const ContextSelection& selection,
                                                            store::Database& database,
                                                            asio::thread_pool& pool) {
  Files files = regular_files(selection);
  files.digests.resize(files.entries.size());
  auto find = [&files](store::Tables& tables) { return tables.file_digests(files.identities); };
  if (!selection.directory->is_ours) files.digests = co_await database.run(find);
  co_await hash_missing(selection, files, database, pool);
  co_return summarize(selection, files);
}

}  // namespace kiln::ops
