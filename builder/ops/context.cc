#include "builder/ops/context.h"

#include "builder/graph/pattern.h"
#include "builder/ops/hash_files.h"
#include "builder/ops/tree_digest.h"
#include "builder/os/file.h"
#include "builder/os/offload.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

/// Time stamps are as coarse as the kernel's tick (up to 10 ms); file systems without fractions
/// count seconds, FAT two. A file changed so shortly before it was hashed may change again without
/// showing it.
constexpr std::int64_t kTickNs = 20'000'000;
constexpr std::int64_t kCoarseNs = 2'000'000'000;

bool is_racy(const store::FileIdentity& file, std::int64_t hashed_ns) {
  const bool coarse = file.ctime_ns % kSecondNs == 0 && file.mtime_ns % kSecondNs == 0;
  return file.ctime_ns + (coarse ? kCoarseNs : kTickNs) >= hashed_ns;
}

/// Gives the entries what is known of them, and returns their summary.
std::vector<graph::KeyPart> conclude(ContextSelection& selection,
                                     SelectedFiles& files,
                                     const std::vector<bool>& may_differ) {
  const bool is_ours = selection.directory->is_ours;
  std::vector<graph::KeyPart> parts =
      summarize(selection.sources, files, is_ours ? Owners::counted : Owners::ignored);
  std::size_t file = 0;
  for (SelectedSource& source : selection.sources) {
    for (TreeEntry& entry : source.entries) {
      if (!S_ISREG(entry.status.st_mode)) continue;
      entry.digest = std::move(files.digests[file]);
      entry.may_differ = may_differ[file++];
    }
  }
  return parts;
}

/// Hashes what is not known, remembers it, and says which files may differ from their digest.
asio::awaitable<std::vector<bool>> find_digests(const SourceTree& tree,
                                                SelectedFiles& files,
                                                store::Database& database,
                                                asio::thread_pool& pool) {
  auto find = [&files](store::Tables& tables) { return tables.file_digests(files.identities); };
  files.digests = co_await database.run(find);
  co_await check_readable(tree, files, pool);
  const std::int64_t started_ns = os::now_ns();
  const std::vector<std::size_t> hashed = co_await hash_files(tree, files, pool);
  // What was written in the same tick, or may be written without showing it, is hashed again by the
  // next build, and compared when it is copied.
  std::vector<bool> may_differ(files.entries.size());
  for (const std::size_t i : files.being_written)
    may_differ[i] = true;
  auto keep = [&](store::Tables& tables) {
    std::vector<store::FileDigestRow> rows;
    for (const std::size_t i : hashed) {
      may_differ[i] = may_differ[i] || is_racy(files.identities[i], started_ns);
      if (!may_differ[i]) rows.push_back({files.identities[i], *files.digests[i]});
    }
    tables.put_file_digests(rows);
  };
  if (!hashed.empty()) co_await database.run(keep);
  co_return may_differ;
}

}  // namespace

ContextSelection select_context(std::shared_ptr<const ClientDirectory> directory,
                                const graph::LocalSource& source,
                                std::stop_token stop,
                                asio::thread_pool* helpers) {
  const graph::PatternList ignore(source.exclude);
  const Exclusion exclusion{
      [&ignore](std::string_view path) { return ignore.excludes(path); },
      [&ignore](std::string_view path) { return ignore.excludes_subtree(path); }};
  const SourceFilter filter{graph::PatternList(source.source_exclude), source.keep_parents,
                            source.is_literal};
  ContextSelection selection{std::move(directory), {}};
  const std::vector<std::string> everything{""};
  for (const std::string& pattern : source.include.empty() ? everything : source.include) {
    for (SelectedSource& found :
         select_source(selection.tree(), pattern, filter, exclusion, stop, helpers)) {
      selection.sources.push_back(std::move(found));
    }
  }
  return selection;
}

asio::awaitable<std::vector<graph::KeyPart>> digest_context(ContextSelection& selection,
                                                            store::Database& database,
                                                            asio::thread_pool& pool) {
  // Each of these takes milliseconds for a large context: they are not for the event loop.
  SelectedFiles files =
      co_await os::offload(pool, [&selection] { return regular_files(selection.sources); });
  const SourceTree tree = selection.tree();
  std::vector<bool> may_differ;
  if (selection.directory->is_ours) {
    files.digests.resize(files.entries.size());
    may_differ.resize(files.entries.size());
    co_await hash_files(tree, files, pool);
  } else {
    may_differ = co_await find_digests(tree, files, database, pool);
  }
  co_return co_await os::offload(pool, [&] { return conclude(selection, files, may_differ); });
}

}  // namespace kiln::ops
