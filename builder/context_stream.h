// A build context that came as a stream: an archive, or nothing but a Dockerfile.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "builder/os/fd.h"
#include "builder/os/file.h"
#include "builder/store/store.h"

namespace kiln {

inline constexpr std::size_t kMaxDockerfileBytes = 16U * 1024 * 1024;

/// What a stream turned out to be.
struct StreamedContext {
  os::TempDir scratch;
  std::filesystem::path tree;             ///< in `scratch`; without files when it is a Dockerfile
  std::optional<std::string> dockerfile;  ///< its text, when it is one
};

/// Reads a pipe or file to its end: a tar, plain or compressed by gzip, bzip2, xz or zstd, is
/// unpacked beneath store's tmp/ while it comes; anything else is the text of a Dockerfile.
/// `what` names the stream in messages.
///
/// throws  Error{invalid_input} when it is empty or neither, Error{corrupt} naming a member that is
///         damaged or leads out of the archive, Error{cancelled} after a stop
/// thread  blocks for as long as whoever writes takes: not on a pool that others wait for
/// source  docker buildx build, buildx build/opt.go
[[nodiscard]] StreamedContext read_context_stream(os::Fd stream,
                                                  const std::string& what,
                                                  const store::Store& store,
                                                  std::stop_token stop);

}  // namespace kiln
