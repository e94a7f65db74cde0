// The bytes of one file into another, by the cheapest way the kernel has.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string_view>

namespace kiln::ops {

/// Copies exactly `size_bytes` from the start of `from` to the start of `to`: shared extents where
/// the file system has them, else inside the kernel. Throws Error{unavailable} naming `name` when
/// the source ends earlier, Error{cancelled} when `stop` is requested.
void copy_data(
    int from, int to, std::uint64_t size_bytes, std::string_view name, std::stop_token stop);

}  // namespace kiln::ops
