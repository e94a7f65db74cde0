// A snapshot directory → a layer blob.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "builder/layer/compress.h"
#include "builder/layer/outside_files.h"
#include "builder/store/blob_store.h"
#include "builder/store/growing_blob.h"
#include "proto/digest.h"
#include "proto/oci.h"

namespace kiln::layer {

struct WriteOptions {
  Compression compression = Compression::gzip;
  int threads = 1;
  /// Later times are clamped to it (SOURCE_DATE_EPOCH), seconds; nullopt: as they are.
  std::optional<std::int64_t> epoch;
  /// Directories that get no entry, sorted: those of a layer that had none for them.
  std::vector<std::string> implied{};
  /// An entry "./" for the root too, and times to the nanosecond: a directory as it is.
  bool exact = false;
  /// A blob of the same compression whose blocks are taken where they are the same; outlives the
  /// call.
  const EarlierBlob* earlier = nullptr;
  /// Further files of the layer; outlives the call.
  OutsideFiles* outside = nullptr;
  /// What the blob is written through when others read it meanwhile. Outlives the call, whose
  /// failure leaves it open.
  store::GrowingBlob* growing = nullptr;
};

/// A finished layer blob, already in the store.
struct LayerBlob {
  DiffId diff_id;
  oci::Descriptor descriptor;
  std::uint64_t tar_bytes = 0;
  BlockTable blocks;  ///< of the blob; of one without compression none
};

/// Writes the difference that a snapshot directory holds as one layer, hashing tar and blob in one
/// pass.
///
/// in      an overlayfs upper directory, or a mount that shows one: character devices 0/0 are
/// deletions, and
///         trusted.overlay.opaque="y" hides what is below
/// out     pax tar without an entry for the root; depth first, names sorted bytewise in each
///         directory, ".wh..wh..opq" and then ".wh.NAME" deletions first; numeric owners without
///         names; whole-second times; xattrs as SCHILY.xattr (not overlay's own, of security.*
///         only capability); hard links within the directory kept; sockets left out
/// throws  whatever the file system or the store throws; Error{invalid_input} for a name that
///         begins with ".wh." or a path over 4095 bytes; Error{cancelled} when `stop` is requested
/// thread  any; blocks
/// source  OCI image-spec v1.1 layer.md
[[nodiscard]] LayerBlob write_layer(const std::filesystem::path& snapshot,
                                    const WriteOptions& options,
                                    const store::BlobStore& blobs,
                                    std::stop_token stop);

/// The diff id that write_layer would give; nothing is written.
[[nodiscard]] DiffId tar_digest(const std::filesystem::path& snapshot,
                                const WriteOptions& options,
                                std::stop_token stop);

/// Writes the merged tree below `root` (no whiteouts; a mounted file system) as one tar into
/// `sink`, without finishing it.
void write_tree(const std::filesystem::path& root, Sink& sink, std::stop_token stop);

/// The same for a directory that is to be put back elsewhere (UnpackOptions::root): with its own
/// owner and mode, and times to the nanosecond.
void write_directory(const std::filesystem::path& directory, Sink& sink, std::stop_token stop);

}  // namespace kiln::layer
