// OCI image layouts as directories: taking an image out of one.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "builder/os/dir.h"
#include "builder/os/peer.h"
#include "builder/store/blob_store.h"
#include "builder/store/lease.h"
#include "proto/platform.h"

namespace kiln::image {

/// An image of a layout. What it refers to outlives it.
struct LayoutSource {
  const os::Dir& directory;
  const os::Peer& peer;  ///< whose rights it is read with
  std::string tag;
  std::optional<Digest> digest;  ///< instead of the tag
};

/// Copies the image for `platform` into the store: its manifest, configuration and layers, each
/// verified while it is copied and leased. Returns the manifest. The tag is looked for in the
/// annotation org.opencontainers.image.ref.name; a layout of one image needs none. Blocks.
///
/// throws  Error{not_found} when the layout has no such image or platform; Error{corrupt} for a
///         blob that is missing or not what its name says
/// source  OCI image-spec v1.1 image-layout.md; buildx build/opt.go resolveDigest
[[nodiscard]] Digest import_layout(const LayoutSource& source,
                                   const Platform& platform,
                                   const store::BlobStore& blobs,
                                   store::Lease& lease,
                                   std::stop_token stop);

}  // namespace kiln::image
