// What a ref of a git repository stands for.
#pragma once

#include <string>

namespace kiln::ops {

/// What a source's ref names.
struct GitRevision {
  std::string object;  ///< a commit; an annotated tag when .git is kept, which then shows the tag
  std::string ref;     ///< as .git shall know it, "refs/tags/v1"; "" for a bare commit
};

}  // namespace kiln::ops
