// Immutable files named by the digest of their bytes. A blob is visible only after its digest
// matched.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "builder/os/fd.h"
#include "proto/bytes.h"
#include "proto/digest.h"

namespace kiln::store {

/// A blob being written, in tmp/ until it is committed; gone when it is not.
class BlobWriter final : public Sink {
 public:
  explicit BlobWriter(const std::filesystem::path& temp_directory);
  BlobWriter(BlobWriter&&) noexcept;
  BlobWriter& operator=(BlobWriter&&) = delete;
  ~BlobWriter() override;
  void write(Bytes bytes) override;
  /// Closes the file: many finished blobs may wait for their commit without holding descriptors.
  /// Optional before a commit; nothing is written afterwards.
  void finish() override;

  /// Bytes written so far; they may be read back through path() before the commit.
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  friend class BlobStore;
  std::filesystem::path path_;
  os::Fd fd_;
  std::uint64_t size_bytes_ = 0;
};

/// Thread-safe; all calls block on the file system only.
class BlobStore {
 public:
  explicit BlobStore(const std::filesystem::path& root);

  [[nodiscard]] BlobWriter writer() const;
  /// Publishes what was written under `digest`, which the caller has verified over exactly those
  /// bytes (VerifyingSink or HashingSink in front of the writer). An existing blob is kept, unless
  /// its size shows that it is damaged.
  void commit(BlobWriter writer, const Digest& digest) const;
  /// Stores a small document, in the place of a damaged one too; returns its digest.
  Digest put(std::string_view bytes) const;

  /// The size of the blob, nullopt when it is not here.
  [[nodiscard]] std::optional<std::uint64_t> size(const Digest& digest) const;
  [[nodiscard]] bool has(const Digest& digest) const { return size(digest).has_value(); }
  /// The same, and of its size: a blob that was cut short counts as missing.
  [[nodiscard]] bool has(const Digest& digest, std::uint64_t size_bytes) const {
    return size(digest) == size_bytes;
  }
  /// Reads and hashes the blob: true when it is here and what its name says; a damaged one is
  /// removed. For when something has shown that one is wrong.
  [[nodiscard]] bool is_sound(const Digest& digest) const;
  /// Throws Error{not_found}.
  [[nodiscard]] std::unique_ptr<Source> open(const Digest& digest) const;
  /// A small document, verified against its digest: Error{corrupt} when the file was damaged; then
  /// it is removed too, so that it counts as missing from now on.
  [[nodiscard]] std::string read(const Digest& digest, std::size_t limit_bytes) const;
  void remove(const Digest& digest) const;
  [[nodiscard]] std::filesystem::path path(const Digest& digest) const;
  /// How many blobs have appeared since this object was made.
  [[nodiscard]] std::uint64_t count_commits() const noexcept { return *commits_; }

  /// Runs the short `action`, unless somebody who was to write the blob since then found it here:
  /// he will name it in a row, or lease it, soon. Times only go forward. False when it did not run.
  bool unless_found_since(std::int64_t time_ns,
                          const Digest& digest,
                          const std::function<void()>& action) const;

 private:
  struct Found;
  bool find(const Digest& digest, std::uint64_t size_bytes) const;

  std::filesystem::path blobs_;
  std::filesystem::path temp_;
  std::shared_ptr<std::atomic<std::uint64_t>> commits_;
  std::shared_ptr<Found> found_;
};

}  // namespace kiln::store
