// A blob from its first byte until it is in the store: one party writes it (a download, a layer
// that is packed), others read what is there already.
//
// The bytes go through the blob's temporary file: a reader that is slower than the writer holds up
// nothing, and memory does not grow with the blob. A reader is told of the end only once the blob
// is in the store, so never of bytes whose digest was not found right.
//
// Thread: all functions may be called on any, where nothing else is said.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "builder/os/fd.h"
#include "builder/os/task_group.h"
#include "builder/store/blob_store.h"
#include "proto/bytes.h"
#include "proto/oci.h"

namespace kiln::store {

/// What a blocking reader throws when the writer has begun again: what it read may have been wrong.
struct BegunAgain {};

class GrowingBlob {
 public:
  /// `blobs` outlives it.
  explicit GrowingBlob(const BlobStore& blobs) : blobs_(blobs) {}
  GrowingBlob(const GrowingBlob&) = delete;
  GrowingBlob& operator=(const GrowingBlob&) = delete;

  // The writer's side: one party, one call at a time.

  /// Begins an attempt; what an earlier one wrote is gone. The sink does not outlive this object,
  /// and is not used once another attempt has begun. Blocks.
  [[nodiscard]] std::unique_ptr<Sink> open();
  /// Publishes what the attempt wrote as `descriptor`, which the caller has verified over exactly
  /// those bytes (BlobStore::commit). Blocks.
  void commit(oci::Descriptor descriptor);
  /// No more will come: what was not committed is gone, and its readers fail.
  void close() noexcept;

  // The readers' side. The two kinds of reader keep a share of the blob.

  /// What it has become; nullopt before.
  [[nodiscard]] std::optional<oci::Descriptor> descriptor() const;
  /// Waits until it is committed (true) or closed without that (false). On an event loop.
  boost::asio::awaitable<bool> ended();

 private:
  class Writer;
  friend class BlockingBlobReader;
  friend class AsyncBlobReader;

  /// A coroutine that waits. Its event is touched on its own event loop only.
  struct Waiter {
    std::uint64_t attempt;
    std::uint64_t wanted_bytes;
    boost::asio::any_io_executor loop;
    std::weak_ptr<os::Event> event;
  };

  [[nodiscard]] bool concerns(std::uint64_t attempt, std::uint64_t wanted_bytes) const noexcept;
  [[nodiscard]] std::shared_ptr<os::Event> add_waiter(std::uint64_t wanted_bytes,
                                                      boost::asio::any_io_executor loop);
  void tell_readers();

  const BlobStore& blobs_;
  std::optional<BlobWriter> file_;  // used by the writer without the lock

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;  // for blocking readers
  std::vector<Waiter> waiters_;          // for those on event loops
  os::Fd bytes_;                         // of the attempt, to be read
  std::uint64_t attempt_ = 0;            // 0: none has begun
  std::uint64_t size_bytes_ = 0;
  std::optional<oci::Descriptor> descriptor_;
  bool closed_ = false;
};

/// Reads the attempt that is under way, or the finished one, and blocks for bytes.
class BlockingBlobReader final : public Source {
 public:
  /// Throws Error{unavailable} when there is no such attempt.
  BlockingBlobReader(std::shared_ptr<GrowingBlob> blob, std::stop_token stop);

  /// Throws BegunAgain; Error{unavailable} when the blob was closed without being committed;
  /// Error{cancelled} after a stop.
  std::size_t read(MutableBytes buffer) override;

 private:
  std::uint64_t wait();

  std::shared_ptr<GrowingBlob> blob_;
  std::stop_token stop_;
  std::uint64_t attempt_;
  std::unique_ptr<Source> bytes_;
  std::uint64_t read_bytes_ = 0;
};

/// Follows the first attempt that it meets, under way or still to come, from an event loop. What it
/// has given away can't be taken back, so another attempt is a failure to it.
class AsyncBlobReader {
 public:
  explicit AsyncBlobReader(std::shared_ptr<GrowingBlob> blob) : blob_(std::move(blob)) {}

  /// Waits until there is a good deal more than `read_bytes`, or the end; false when those were
  /// all. Throws Error{unavailable} when the blob was begun again, or closed without being
  /// committed. On an event loop.
  boost::asio::awaitable<bool> more(std::uint64_t read_bytes);
  /// Reads what is there; a read at the present end gives 0. Once more() has given true.
  [[nodiscard]] std::unique_ptr<Source> open() const;

 private:
  std::shared_ptr<GrowingBlob> blob_;
  std::uint64_t attempt_ = 0;
};

}  // namespace kiln::store
