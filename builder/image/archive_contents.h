// All that an image archive holds, by digest and by name, before anything of it is published.
//
// Invariant: the store changes in publish() only; until then new blobs are temporary files.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>

#include "builder/image/archive_entries.h"
#include "builder/store/blob_store.h"
#include "builder/store/lease.h"
#include "proto/bytes.h"
#include "proto/digest.h"
#include "proto/oci.h"

namespace kiln::image {

class ArchiveContents {
 public:
  /// `blobs` and `lease` (may be null) outlive it.
  ArchiveContents(const store::BlobStore& blobs, store::Lease* lease)
      : blobs_(blobs), lease_(lease) {}

  /// Takes the whole archive in. A file blobs/sha256/D that the store has already is passed over.
  void take(ArchiveEntries& entries, const std::stop_token& stop);

  /// Takes a document that was made from what the archive holds.
  oci::Descriptor add_document(std::string_view media_type, std::string_view text);

  /// The file of that name; links are followed by name. Throws Error{corrupt} for a loop of links.
  [[nodiscard]] std::optional<Digest> find(std::string_view name) const;

  /// The size of a blob, of the archive or of the store; nullopt when neither has it.
  [[nodiscard]] std::optional<std::uint64_t> size(const Digest& digest) const;
  /// Throws Error{corrupt} when the blob is missing, or has another size than the descriptor says.
  void require(const oci::Descriptor& descriptor) const;
  /// A blob that is here. Throws Error{corrupt} when it is over kMaxDocumentBytes.
  [[nodiscard]] std::string document(const Digest& digest) const;
  [[nodiscard]] std::unique_ptr<Source> open(const Digest& digest) const;

  /// Moves these into the store. The object is of no use afterwards.
  void publish(const std::set<Digest>& needed);

 private:
  void take_file(ArchiveEntries& entries,
                 const ArchiveEntry& entry,
                 const std::string& path,
                 const std::stop_token& stop);
  [[nodiscard]] std::optional<std::uint64_t> size_in_store(const Digest& digest) const;

  const store::BlobStore& blobs_;
  store::Lease* lease_;
  std::map<Digest, store::BlobWriter> pending_;
  std::map<std::string, Digest, std::less<>> files_;
  std::map<std::string, std::string, std::less<>> links_;  // name → the name it means
};

}  // namespace kiln::image
