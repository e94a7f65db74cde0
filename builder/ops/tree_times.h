// One date for all of a tree.
#pragma once

#include <cstdint>
#include <filesystem>

namespace kiln::ops {

/// Sets the times of `top` and of everything below it; links are not followed. Blocks.
void set_tree_times(const std::filesystem::path& top, std::int64_t seconds);

}  // namespace kiln::ops
