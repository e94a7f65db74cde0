// Blobs on their way out.
#pragma once

#include <memory>

#include "builder/store/blob_store.h"

namespace kiln::store {

/// A blob that is verified while it is read: its end throws Error{corrupt} when the file was
/// damaged here, since a registry's words for it would lead nowhere. Throws Error{not_found}.
[[nodiscard]] std::unique_ptr<Source> open_verified(const BlobStore& blobs, const Digest& digest);

}  // namespace kiln::store
