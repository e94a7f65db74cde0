// The content of selected files: what of a tree an image would show.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "builder/graph/key_encoding.h"
#include "builder/ops/selection.h"
#include "builder/store/database.h"

namespace kiln::ops {

/// The regular files of a selection, in order, and the digests of their bytes and xattrs as far as
/// they are known.
struct SelectedFiles {
  std::vector<const TreeEntry*> entries;
  std::vector<store::FileIdentity> identities;
  std::vector<std::optional<Digest>> digests;
  /// Those that somebody could write to while they were hashed (os/writers.h).
  std::vector<std::size_t> being_written{};
};

/// The entries are `sources`', which outlives the result.
[[nodiscard]] SelectedFiles regular_files(const std::vector<SelectedSource>& sources);

/// The digest of the open file's bytes and of `xattrs`, of which there may be none. `fd` may be at
/// any place.
[[nodiscard]] Digest content_digest(int fd,
                                    const std::vector<Xattr>& xattrs,
                                    const std::string& path,
                                    MutableBytes buffer,
                                    const std::stop_token& stop = {});

/// What content_digest gives for a file whose bytes have the digest `content`.
[[nodiscard]] Digest with_xattrs(Digest content, const std::vector<Xattr>& xattrs);

enum class Owners { ignored, counted };

/// One part for each source: the digest of names, types, modes, link targets, xattrs and bytes, and
/// of owners where they count. Times never do. All files have digests.
[[nodiscard]] std::vector<graph::KeyPart> summarize(const std::vector<SelectedSource>& sources,
                                                    const SelectedFiles& files,
                                                    Owners owners);

}  // namespace kiln::ops
