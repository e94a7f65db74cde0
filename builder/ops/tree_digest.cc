#include "builder/ops/tree_digest.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <thread>

#include "builder/ops/xattrs.h"
#include "builder/os/cancellable.h"
#include "builder/os/task_group.h"
#include "builder/os/writers.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadBytes = 1024 * 1024;

std::int64_t to_ns(const timespec& time) {
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

store::FileIdentity identity(const struct stat& status) {
  return {status.st_dev,         status.st_ino,         static_cast<std::uint64_t>(status.st_size),
          to_ns(status.st_mtim), to_ns(status.st_ctim), status.st_mode};
}

void add_xattrs(const std::vector<Xattr>& xattrs, Sha256& sha) {
  for (const Xattr& xattr : xattrs) {
    sha.update(fmt::format("{}:{}{}:", xattr.name.size(), xattr.name, xattr.value.size()));
    sha.update(xattr.value);
  }
}

struct Hashed {
  Digest digest;
  bool being_written = false;
};

Hashed hash_file(const SourceTree& tree, const TreeEntry& entry, MutableBytes buffer) {
  const os::Fd fd = open_entry(tree, entry);
  // First: what is written through a descriptor or a mapping that is made later shows in the times.
  const bool being_written = os::has_writers(fd.get());
  Digest digest = content_digest(fd.get(), read_xattrs(fd.get()), entry.path, buffer);
  check_unchanged(fd.get(), entry);
  return {std::move(digest), being_written};
}

/// Files that several threads hash.
struct Work {
  const SourceTree& tree;
  SelectedFiles& files;
  std::vector<std::size_t> missing;
  std::atomic<std::size_t> next{0};
  std::mutex mutex{};
};

/// Takes the next file that has no digest until none is left; several run side by side.
void hash_some(Work& work, const std::stop_token& stop) {
  std::vector<std::byte> buffer(kReadBytes);
  for (std::size_t i = work.next++; i < work.missing.size(); i = work.next++) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "cancelled while hashing files");
    const std::size_t file = work.missing[i];
    Hashed hashed = hash_file(work.tree, *work.files.entries[file], buffer);
    work.files.digests[file] = std::move(hashed.digest);
    if (!hashed.being_written) continue;
    const std::lock_guard lock(work.mutex);
    work.files.being_written.push_back(file);
  }
}

asio::awaitable<void> hash_on_pool(asio::thread_pool& pool, Work& files) {
  auto work = [&files](std::stop_token stop) {
    hash_some(files, stop);
    return true;
  };
  co_await os::offload_cancellable(pool, work);
}

/// One line an entry: what of it an image would show, but for its time.
void describe(const TreeEntry& entry,
              const std::string& name,
              const std::optional<Digest>& digest,
              Owners owners,
              Sha256& sha) {
  const struct stat& status = entry.status;
  std::string line = fmt::format("{}:{} {:o}{} ", name.size(), name, status.st_mode,
                                 entry.is_passage ? " passage" : "");
  if (S_ISREG(status.st_mode)) {
    line += digest->hex();
  } else if (S_ISLNK(status.st_mode)) {
    line += fmt::format("{}:{}", entry.link_target.size(), entry.link_target);
  } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    line += std::to_string(status.st_rdev);
  }
  if (owners == Owners::counted) line += fmt::format(" {}:{}", status.st_uid, status.st_gid);
  sha.update(line);
  add_xattrs(entry.xattrs, sha);
  sha.update("\n");
}

}  // namespace

Digest content_digest(int fd,
                      const std::vector<Xattr>& xattrs,
                      const std::string& path,
                      MutableBytes buffer) {
  Sha256 sha;
  for (off_t at = 0;;) {
    const ssize_t count = ::pread(fd, buffer.data(), buffer.size(), at);
    if (count < 0) throw system_error(errno, fmt::format("read \"{}\"", path));
    if (count == 0) break;
    sha.update(buffer.first(static_cast<std::size_t>(count)));
    at += count;
  }
  Digest content = sha.finish();
  if (xattrs.empty()) return content;
  Sha256 both;
  both.update(content.str());
  add_xattrs(xattrs, both);
  return both.finish();
}

SelectedFiles regular_files(const std::vector<SelectedSource>& sources) {
  SelectedFiles files;
  for (const SelectedSource& source : sources) {
    for (const TreeEntry& entry : source.entries) {
      if (!S_ISREG(entry.status.st_mode)) continue;
      files.entries.push_back(&entry);
      files.identities.push_back(identity(entry.status));
    }
  }
  return files;
}

asio::awaitable<std::vector<std::size_t>> hash_files(const SourceTree& tree,
                                                     SelectedFiles& files,
                                                     asio::thread_pool& pool) {
  Work work{tree, files, {}};
  for (std::size_t i = 0; i < files.entries.size(); ++i) {
    if (!files.digests[i]) work.missing.push_back(i);
  }
  std::vector<asio::awaitable<void>> tasks;
  const std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
  for (std::size_t i = 0; i < std::min(threads, work.missing.size()); ++i)
    tasks.push_back(hash_on_pool(pool, work));
  if (!tasks.empty()) co_await os::all_of(std::move(tasks));
  co_return std::move(work.missing);
}

std::vector<graph::KeyPart> summarize(const std::vector<SelectedSource>& sources,
                                      const SelectedFiles& files,
                                      Owners owners) {
  std::vector<graph::KeyPart> parts;
  std::size_t file = 0;
  for (const SelectedSource& source : sources) {
    Sha256 sha;
    const std::string& top = source.entries.front().path;
    for (const TreeEntry& entry : source.entries) {
      // Names count below the source; its own place does not (a copy shows only its last
      // component).
      const std::string name = entry.path.size() > top.size()
                                   ? entry.path.substr(top.empty() ? 0 : top.size() + 1)
                                   : std::string();
      const bool regular = S_ISREG(entry.status.st_mode);
      describe(entry, name, regular ? files.digests[file++] : std::nullopt, owners, sha);
    }
    parts.push_back({fmt::format("source {} {}", source.text, source.name), sha.finish().str()});
  }
  return parts;
}

}  // namespace kiln::ops
