// A blob while it is downloaded: one party writes it, others read what is there already.
//
// The bytes go through the blob's temporary file: a reader that is slower than the network holds
// up nothing, and memory does not grow with the blob.
//
// Thread: all functions may be called on any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include "builder/store/blob_store.h"
#include "proto/bytes.h"

namespace kiln::ops {

/// What a reader throws when the download has begun again: what it has read may have been wrong.
struct BegunAgain {};

class ArrivingBlob {
 public:
  /// `blobs` outlives it.
  explicit ArrivingBlob(const store::BlobStore& blobs);

  /// Begins an attempt; what an earlier one wrote is gone. The sink is finished only when its bytes
  /// are verified (registry::OpenSink), and does not outlive this object. Blocks.
  [[nodiscard]] std::unique_ptr<Sink> open();
  /// Publishes the finished attempt. Blocks.
  void commit(const Digest& digest);
  /// No more bytes will come: readers of an attempt that is not finished fail.
  void close() noexcept;

  /// Reads the attempt that is under way. A read waits for bytes, and gives the end only once all
  /// of them are verified. It throws BegunAgain; Error{unavailable} when no attempt is under way,
  /// or none will come to its end; Error{cancelled} after a stop. Blocks.
  [[nodiscard]] static std::unique_ptr<Source> read(std::shared_ptr<ArrivingBlob> blob,
                                                    std::stop_token stop);

 private:
  class Writer;
  class Reader;

  const store::BlobStore& blobs_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<store::BlobWriter> file_;  // used by the party that writes without the lock
  std::uint64_t attempt_ = 0;
  std::uint64_t written_bytes_ = 0;
  bool verified_ = false;
  bool closed_ = false;
};

}  // namespace kiln::ops
