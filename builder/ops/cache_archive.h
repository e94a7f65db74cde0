// The content of a cache mount as an archive, and back.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "builder/layer/compress.h"
#include "proto/bytes.h"

namespace kiln::ops {

/// Writes the directory as a tar with an entry for itself, and finishes `sink`. Nobody else may
/// change it meanwhile. Throws Error{invalid_input} for a cache that is a file; Error{cancelled}.
void pack_cache(const std::filesystem::path& content,
                const std::string& id,
                layer::Compression compression,
                int threads,
                Sink& sink,
                std::stop_token stop);

/// Makes the directory `content` of an archive from strangers: a tar, plain or compressed by gzip,
/// bzip2, xz or zstd, read to its end. Throws Error{corrupt}, Error{invalid_input} for what is no
/// archive.
void unpack_cache(std::unique_ptr<Source> archive,
                  const std::filesystem::path& content,
                  std::stop_token stop);

/// Moves all of `from` into `into`, both on one file system: what has a name already is replaced,
/// directories are merged. Each file is the old or the new one at any time.
void merge_cache(const std::filesystem::path& from, const std::filesystem::path& into);

}  // namespace kiln::ops
