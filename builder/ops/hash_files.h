// Reading the files of a selection that nobody knows the digest of.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <vector>

#include "builder/ops/tree_digest.h"

namespace kiln::ops {

/// Reads the files that have no digest, by all processors, and gives them one. What is not in
/// memory is asked of the disk for many files at a time. Returns which they were. Throws
/// Error{unavailable} for a file that changes meanwhile.
boost::asio::awaitable<std::vector<std::size_t>> hash_files(const SourceTree& tree,
                                                            SelectedFiles& files,
                                                            boost::asio::thread_pool& pool);

/// Throws as open_entry where the peer may not read a file that has a digest: somebody else had it
/// read. Opens the files of other owners; what the peer owns says in its mode whether it opens.
boost::asio::awaitable<void> check_readable(const SourceTree& tree,
                                            SelectedFiles& files,
                                            boost::asio::thread_pool& pool);

}  // namespace kiln::ops
