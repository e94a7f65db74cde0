// What a ref of a git repository stands for.
#pragma once

#include <string>

#include "builder/graph/op.h"

namespace kiln::ops {

/// What a source's ref names.
struct GitRevision {
  std::string object;  ///< a commit; an annotated tag when .git is kept, which then shows the tag
  std::string ref;     ///< as .git shall know it, "refs/tags/v1"; "" for a bare commit
};

/// The name under which a kept .git knows the revision; "" for a bare commit.
[[nodiscard]] std::string name_in_clone(const graph::GitSource& source,
                                        const GitRevision& revision);

}  // namespace kiln::ops
