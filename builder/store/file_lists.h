// The files that a record was made of, kept so that a later miss can name the one that differs.
//
// ROOT/file-lists/HEX is one list, named by the SHA-256 of its text, compressed by zstd:
//
//   list  = entry*
//   entry = path NUL mode SP owner SP content NUL     paths are unique and sorted bytewise
//   mode  = octal, with the type; owner = uid ":" gid, or "-" where owners do not count
//   content = of a file the first 16 hex digits of its digest, of a link its target, else what
//             extended attributes it has as 16 hex digits, or nothing
//
// A list is only ever used to explain: a missing or damaged one costs the explanation its details.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/store/store.h"

namespace kiln::store {

struct ListedFile {
  std::string path;
  std::uint32_t mode = 0;
  std::string owner;
  std::string content;
};

/// Writes a list, unless it is there, and returns its name. Sorts `files`. Throws Error. Blocks.
std::string keep_file_list(Store& store, std::vector<ListedFile> files);

/// nullopt when there is none that can be read. Blocks.
[[nodiscard]] std::optional<std::vector<ListedFile>> read_file_list(const Store& store,
                                                                    std::string_view name);

/// Removes the lists that no record was made of; returns the bytes that this frees. Blocks.
std::uint64_t sweep_file_lists(Store& store);

}  // namespace kiln::store
