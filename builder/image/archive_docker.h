// manifest.json, the table of contents of `docker save`.
#pragma once

#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "builder/image/archive.h"
#include "builder/image/archive_contents.h"

namespace kiln::image {

/// One image of manifest.json; files by their names in the archive.
struct DockerImage {
  std::string config;
  std::vector<std::string> repo_tags;
  std::vector<std::string> layers;  ///< bottom first
};

/// throws  Error{corrupt} naming the field
/// source  moby image/tarexport/tarexport.go
[[nodiscard]] std::vector<DockerImage> parse_docker_images(std::string_view json);
[[nodiscard]] std::string to_json(const std::vector<DockerImage>& images);

/// Makes an OCI manifest for each image of manifest.json, and adds the digests of all it consists
/// of to `needed`. Layers are what their files are, plain, gzip or zstd.
/// throws  Error{corrupt} naming a file that is missing, or a layer that is not the one of the
///         configuration
[[nodiscard]] std::vector<ArchivedImage> read_docker_images(ArchiveContents& contents,
                                                            const std::vector<DockerImage>& listed,
                                                            std::set<Digest>& needed,
                                                            const std::stop_token& stop);

}  // namespace kiln::image
