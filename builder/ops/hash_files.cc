#include "builder/ops/hash_files.h"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "builder/ops/entry_opener.h"
#include "builder/ops/xattrs.h"
#include "builder/os/cancellable.h"
#include "builder/os/task_group.h"
#include "builder/os/writers.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// Read in one piece, which stays in the processor's cache until it is hashed.
constexpr std::size_t kBufferBytes = 256 * 1024;
/// A file that is larger is read piece by piece; the kernel reads ahead of that by itself.
constexpr std::size_t kSmallBytes = kBufferBytes - 1;

/// So many files are open and asked of the disk, by all threads together: enough for it to merge
/// neighbours and to be never idle. Twice as many descriptors are open for a moment.
constexpr std::size_t kOpenFiles = 256;
constexpr std::size_t kLeastInBatch = 8;
/// A batch with more bytes is as good as full: threads that take small pieces end together.
constexpr std::uint64_t kBatchBytes = 2 * 1024 * 1024;

/// Neighbours in a selection, which mostly lie in one directory and side by side on the disk.
using Batch = std::span<const std::size_t>;

/// Files that several threads hash, or only open.
struct Work {
  const SourceTree& tree;
  SelectedFiles& files;
  std::vector<std::size_t> indices{};  ///< in `files`
  std::vector<Batch> batches{};        ///< of `indices`
  std::atomic<std::size_t> next{0};
  std::mutex mutex{};  ///< of files.being_written
};

std::vector<Batch> divide(Batch all, const SelectedFiles& files, std::size_t most) {
  std::vector<Batch> batches;
  std::size_t begin = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    bytes += files.identities[all[i]].size_bytes;
    if (i + 1 - begin < most && bytes < kBatchBytes && i + 1 < all.size()) continue;
    batches.push_back(all.subspan(begin, i + 1 - begin));
    begin = i + 1;
    bytes = 0;
  }
  return batches;
}

struct OpenFile {
  std::size_t index = 0;  ///< in SelectedFiles
  os::Fd fd;
};

/// One thread's share: it asks the disk for a batch before it hashes what it asked for last.
class Hasher {
 public:
  Hasher(Work& work, const std::stop_token& stop) : work_(work), stop_(stop) {}

  void run() {
    std::vector<OpenFile> asked;
    while (true) {
      std::vector<OpenFile> next = begin_batch();
      for (OpenFile& file : asked)
        finish(std::move(file));
      if (next.empty() && work_.next >= work_.batches.size()) return;
      asked = std::move(next);
    }
  }

 private:
  /// Hashes what of the next batch is in memory. Returns the rest, which is on its way from the
  /// disk.
  std::vector<OpenFile> begin_batch() {
    const std::size_t number = work_.next++;
    if (number >= work_.batches.size()) return {};
    std::vector<OpenFile> opened = open(work_.batches[number]);
    const auto is_hashed = [this](const OpenFile& file) { return hash_or_ask(file); };
    opened.erase(std::remove_if(opened.begin(), opened.end(), is_hashed), opened.end());
    return opened;
  }

  std::vector<OpenFile> open(Batch batch) {
    std::vector<OpenFile> opened;
    opened.reserve(batch.size());
    EntryOpener opener(work_.tree);
    for (const std::size_t index : batch)
      opened.push_back({index, opener.open(*work_.files.entries[index])});
    return opened;
  }

  bool hash_or_ask(const OpenFile& file) {
    fail_if_cancelled();
    // First: what is written through a descriptor or a mapping that is made later shows in the
    // times.
    if (os::has_writers(file.fd.get())) {
      const std::lock_guard lock(work_.mutex);
      work_.files.being_written.push_back(file.index);
    }
    if (size_of(file) > kSmallBytes) {
      keep(file, read_all(file));
      return true;
    }
    if (const std::optional<Bytes> bytes = read_at_once(file, RWF_NOWAIT)) {
      keep(file, sha256(*bytes));
      return true;
    }
    // Advice: where it is not taken, the file is read from the disk when its turn has come.
    ::posix_fadvise(file.fd.get(), 0, static_cast<off_t>(size_of(file)), POSIX_FADV_WILLNEED);
    return false;
  }

  void finish(OpenFile file) {
    fail_if_cancelled();
    const std::optional<Bytes> bytes = read_at_once(file, 0);
    keep(file, bytes ? sha256(*bytes) : read_all(file));
  }

  /// All of a small file; nullopt when that takes more than one read. What is read is one byte more
  /// than the file has, so that nothing is left out should it have grown.
  std::optional<Bytes> read_at_once(const OpenFile& file, int flags) {
    const std::size_t size = size_of(file);
    const iovec piece{buffer_.data(), size + 1};
    const ssize_t count = ::preadv2(file.fd.get(), &piece, 1, 0, flags);
    if (count < 0 || static_cast<std::size_t>(count) != size) return std::nullopt;
    return Bytes(buffer_).first(size);
  }

  Digest read_all(const OpenFile& file) {
    return content_digest(file.fd.get(), {}, work_.files.entries[file.index]->path, buffer_, stop_);
  }

  void keep(const OpenFile& file, Digest content) {
    Digest digest = with_xattrs(std::move(content), read_xattrs(file.fd.get()));
    check_unchanged(file.fd.get(), *work_.files.entries[file.index]);
    work_.files.digests[file.index] = std::move(digest);
  }

  [[nodiscard]] std::size_t size_of(const OpenFile& file) const {
    return work_.files.identities[file.index].size_bytes;
  }

  void fail_if_cancelled() const {
    if (stop_.stop_requested()) throw Error(Errc::cancelled, "cancelled while hashing files");
  }

  Work& work_;
  const std::stop_token& stop_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kBufferBytes);
};

/// Opens files for as long as there are some that nobody has opened, and does no more. access(2)
/// would be cheaper, but what it says may be of another file, which has the name for that moment.
void open_some(Work& work, const std::stop_token& stop) {
  for (std::size_t i = work.next++; i < work.batches.size(); i = work.next++) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "cancelled while opening files");
    EntryOpener opener(work.tree);
    for (const std::size_t index : work.batches[i])
      static_cast<void>(opener.open(*work.files.entries[index]));
  }
}

using Share = void (*)(Work& work, const std::stop_token& stop);

asio::awaitable<void> do_share(asio::thread_pool& pool, Work& work, Share share) {
  auto run = [&work, share](std::stop_token stop) {
    share(work, stop);
    return true;
  };
  co_await os::offload_cancellable(pool, run);
}

asio::awaitable<void> do_all(asio::thread_pool& pool, Work& work, Share share) {
  const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
  work.batches = divide(work.indices, work.files, std::max(kLeastInBatch, kOpenFiles / processors));
  std::vector<asio::awaitable<void>> tasks;
  for (std::size_t i = 0; i < std::min(processors, work.batches.size()); ++i)
    tasks.push_back(do_share(pool, work, share));
  if (!tasks.empty()) co_await os::all_of(std::move(tasks));
}

void hash_some(Work& work, const std::stop_token& stop) {
  Hasher(work, stop).run();
}

bool is_surely_readable(const struct stat& status, const os::Peer& peer) {
  // Not by the bits of others: a group, or an access control list, may refuse what they allow.
  return peer.uid == 0 || (status.st_uid == peer.uid && (status.st_mode & S_IRUSR) != 0);
}

}  // namespace

asio::awaitable<std::vector<std::size_t>> hash_files(const SourceTree& tree,
                                                     SelectedFiles& files,
                                                     asio::thread_pool& pool) {
  Work work{tree, files};
  for (std::size_t i = 0; i < files.entries.size(); ++i) {
    if (!files.digests[i]) work.indices.push_back(i);
  }
  co_await do_all(pool, work, hash_some);
  co_return std::move(work.indices);
}

asio::awaitable<void> check_readable(const SourceTree& tree,
                                     SelectedFiles& files,
                                     asio::thread_pool& pool) {
  Work work{tree, files};
  for (std::size_t i = 0; i < files.entries.size(); ++i) {
    if (files.digests[i] && !is_surely_readable(files.entries[i]->status, tree.peer))
      work.indices.push_back(i);
  }
  co_await do_all(pool, work, open_some);
}

}  // namespace kiln::ops
