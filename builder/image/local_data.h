// The content of one file into another.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

namespace kiln::image {

/// Copies the regular file `from` into the empty file `to`: shared extents where the file system
/// has them, else inside the kernel; holes stay holes. Throws Error naming `path`;
/// Error{cancelled}.
void copy_file_data(int from, int to, const std::string& path, const std::stop_token& stop);

}  // namespace kiln::image
