// What a local source selects as a list that is kept (store/file_lists.h), and what changed since
// an earlier one.
#pragma once

#include <vector>

#include "builder/ops/context.h"
#include "builder/store/file_lists.h"
#include "proto/messages.h"

namespace kiln::ops {

/// The selection's entries have their digests (digest_context). Owners are listed where they count.
[[nodiscard]] std::vector<store::ListedFile> list_files(const ContextSelection& selection);

/// Sorted by path. Pure.
[[nodiscard]] std::vector<Difference> compare(std::vector<store::ListedFile> before,
                                              std::vector<store::ListedFile> after);

}  // namespace kiln::ops
