#include <set>
#include <utility>

#include "builder/image/archive.h"
#include "builder/image/archive_contents.h"
#include "builder/image/archive_docker.h"
#include "builder/image/archive_entries.h"
#include "builder/image/archive_oci.h"
#include "builder/layer/compress.h"
#include "proto/error.h"

namespace kiln::image {

namespace {

std::vector<ArchivedImage> find_images(ArchiveContents& contents,
                                       std::set<Digest>& needed,
                                       const std::stop_token& stop) {
  // An archive of both kinds says more in its OCI half: digests and platforms.
  if (const auto index = contents.find("index.json"))
    return read_layout(contents, contents.document(*index), needed);
  if (const auto manifest = contents.find("manifest.json")) {
    const std::string text = contents.document(*manifest);
    const std::vector<DockerImage> listed =
        within("image archive: manifest.json", [&] { return parse_docker_images(text); });
    return read_docker_images(contents, listed, needed, stop);
  }
  throw Error(Errc::invalid_input,
              "not an image archive: it has neither index.json nor manifest.json at its top; give "
              "what `kiln save`, `docker save` or `skopeo copy ... oci-archive:FILE` wrote");
}

}  // namespace

std::vector<ArchivedImage> read_archive(std::unique_ptr<Source> archive,
                                        const store::BlobStore& blobs,
                                        std::stop_token stop,
                                        store::Lease* lease) {
  ArchiveEntries entries(layer::make_decompressor(std::move(archive), /*archives=*/true));
  ArchiveContents contents(blobs, lease);
  contents.take(entries, stop);
  std::set<Digest> needed;
  std::vector<ArchivedImage> images = find_images(contents, needed, stop);
  if (images.empty()) throw Error(Errc::invalid_input, "image archive: it lists no image");
  contents.publish(needed);
  return images;
}

}  // namespace kiln::image
