// Images ⇄ archives: the OCI image layout in a tar, and the format of `docker save`.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "builder/store/blob_store.h"
#include "builder/store/lease.h"
#include "proto/bytes.h"
#include "proto/oci.h"
#include "proto/reference.h"

namespace kiln::image {

enum class ArchiveFormat { oci, docker };

/// An image to write: its manifest or index, and the names it goes by.
struct ArchivedImage {
  oci::Descriptor root;
  std::vector<Reference> names;
};

/// Writes an archive into `sink`; every blob is streamed and verified against its digest on the way
/// out. Both formats hold an OCI layout (oci-layout, index.json, blobs/sha256/...): each name is an
/// entry of index.json with annotations as containerd and skopeo read them; docker has
/// manifest.json beside it, so that any docker loads it. Entries are sorted, owned by 0:0 and dated
/// 0: equal images give equal archives. Does not finish the sink. Blocks.
/// throws  Error{invalid_input} for an index with several platforms in docker format;
///         Error{corrupt} for a missing or damaged blob (a damaged one is removed from the store)
/// source  OCI image-spec v1.1 image-layout.md; moby image/tarexport
void write_archive(const store::BlobStore& blobs,
                   const std::vector<ArchivedImage>& images,
                   ArchiveFormat format,
                   Sink& sink,
                   std::stop_token stop);

/// Reads an archive of either format, plain or compressed, streaming. What it gives is complete:
/// every blob that a manifest needs was in the archive or already in the store, with the right
/// digest. An index of which the archive holds only some platforms becomes the image, or the index,
/// of those. Layers of docker archives without OCI manifests are kept as they are, plain or
/// compressed, after their diff ids were compared with the configuration's. Blobs wait in the
/// store's tmp/ and appear all at the end: a failure leaves nothing behind, nor does what no image
/// needs. Hostile input: names decide nothing about where bytes go; documents are limited to
/// kMaxDocumentBytes; memory does not grow with layers.
/// in      lease: holds the images' blobs against collection from before they are looked for;
///         without it nothing may collect meanwhile
/// throws  Error{invalid_input} when it is neither format, Error{corrupt} naming what is missing or
///         damaged
[[nodiscard]] std::vector<ArchivedImage> read_archive(std::unique_ptr<Source> archive,
                                                      const store::BlobStore& blobs,
                                                      std::stop_token stop,
                                                      store::Lease* lease = nullptr);

}  // namespace kiln::image
