// The images of an OCI layout: index.json, the documents it names, and the names it gives.
#pragma once

#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "builder/image/archive.h"
#include "builder/image/archive_contents.h"

namespace kiln::image {

/// Finds the images of index.json complete, and adds the digests of all they consist of to
/// `needed`. What is listed there and is no image (an attestation, an artifact) is passed over.
/// throws Error{corrupt} naming what is missing or damaged
[[nodiscard]] std::vector<ArchivedImage> read_layout(ArchiveContents& contents,
                                                     std::string_view index_json,
                                                     std::set<Digest>& needed);

/// The name that an entry of index.json gives its image: containerd writes the whole one; where
/// there is only org.opencontainers.image.ref.name it is a name when it cannot be a mere tag.
/// Never the word of a stranger for a digest: a digest in the name must be that of `image`.
[[nodiscard]] std::optional<Reference> name_in_layout(const oci::Annotations& annotations,
                                                      const Digest& image);

/// What an entry of index.json says of its image's name.
[[nodiscard]] oci::Annotations layout_annotations(const Reference& name);

}  // namespace kiln::image
