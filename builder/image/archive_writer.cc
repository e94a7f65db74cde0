#include <sys/stat.h>

#include <map>
#include <string>
#include <utility>

#include "builder/image/archive.h"
#include "builder/image/archive_docker.h"
#include "builder/image/archive_oci.h"
#include "builder/layer/tar_writer.h"
#include "proto/error.h"

namespace kiln::image {

namespace {

constexpr std::string_view kOciLayout = R"({"imageLayoutVersion":"1.0.0"})";
constexpr int kMaxIndexDepth = 8;

std::string blob_path(const Digest& digest) {
  return fmt::format("blobs/sha256/{}", digest.hex());
}

layer::TarHeader header(std::string path, mode_t type, std::uint64_t size_bytes) {
  layer::TarHeader result;
  result.path = std::move(path);
  result.type = type;
  result.attributes.mode = type == S_IFDIR ? 0755 : 0644;
  result.size_bytes = size_bytes;
  return result;
}

/// The content of the tar's current entry.
class ContentSink final : public Sink {
 public:
  ContentSink(layer::TarWriter& tar, const std::stop_token& stop) : tar_(tar), stop_(stop) {}
  void write(Bytes bytes) override {
    if (stop_.stop_requested()) throw Error(Errc::cancelled, "write an image archive: cancelled");
    tar_.content(bytes);
  }

 private:
  layer::TarWriter& tar_;
  const std::stop_token& stop_;
};

/// What images consist of: found before the first byte is written, so that what is missing is said
/// at once.
class Inventory {
 public:
  explicit Inventory(const store::BlobStore& blobs) : blobs_(blobs) {}

  /// Adds all that `root` needs; what image manifests it has, attestations aside, go to
  /// `manifests`.
  void add(const oci::Descriptor& root, std::vector<oci::Manifest>& manifests, int depth = 0) {
    if (depth > kMaxIndexDepth)
      throw Error(Errc::corrupt, "index {}: nested too deeply", root.digest.str());
    add_blob(root);
    if (oci::is_index(root.media_type)) {
      const oci::Index index = oci::parse_index(read(root.digest));
      for (const oci::Descriptor& child : index.manifests)
        add(child, manifests, depth + 1);
    } else if (oci::is_manifest(root.media_type)) {
      oci::Manifest manifest = oci::parse_manifest(read(root.digest));
      add_blob(manifest.config);
      for (const oci::Descriptor& layer : manifest.layers)
        add_blob(layer);
      const bool attestation = root.platform && root.platform->os == "unknown";
      if (!attestation) manifests.push_back(std::move(manifest));
    }
  }

  [[nodiscard]] const std::map<Digest, std::uint64_t>& blobs() const noexcept { return sizes_; }

 private:
  [[nodiscard]] std::string read(const Digest& digest) const {
    return blobs_.read(digest, oci::kMaxDocumentBytes);
  }

  void add_blob(const oci::Descriptor& descriptor) {
    const std::optional<std::uint64_t> size = blobs_.size(descriptor.digest);
    if (!size) {
      throw Error(Errc::corrupt, "blob {}: missing from the store; build or pull its image again",
                  descriptor.digest.str());
    }
    if (*size != descriptor.size_bytes) {
      throw Error(Errc::corrupt, "blob {}: {} bytes in the store instead of {}",
                  descriptor.digest.str(), *size, descriptor.size_bytes);
    }
    sizes_.emplace(descriptor.digest, *size);
  }

  const store::BlobStore& blobs_;
  std::map<Digest, std::uint64_t> sizes_;
};

void add_to_index(oci::Index& index, const ArchivedImage& image) {
  oci::Descriptor descriptor = image.root;
  descriptor.annotations.clear();
  if (image.names.empty()) index.manifests.push_back(descriptor);
  for (const Reference& name : image.names) {
    descriptor.annotations = layout_annotations(name);
    index.manifests.push_back(descriptor);
  }
}

DockerImage docker_image(const ArchivedImage& image, const std::vector<oci::Manifest>& manifests) {
  if (manifests.size() != 1) {
    const std::string name =
        image.names.empty() ? image.root.digest.str() : image.names.front().familiar();
    throw Error(Errc::invalid_input,
                "{}: {} platforms, and a docker archive holds one; write an OCI archive, or choose "
                "a platform",
                name, manifests.size());
  }
  const oci::Manifest& manifest = manifests.front();
  DockerImage result{blob_path(manifest.config.digest), {}, {}};
  for (const Reference& name : image.names) {
    if (name.tag && !name.digest) result.repo_tags.push_back(name.familiar());
  }
  for (const oci::Descriptor& layer : manifest.layers)
    result.layers.push_back(blob_path(layer.digest));
  return result;
}

void write_blob(const store::BlobStore& blobs,
                const Digest& digest,
                std::uint64_t size_bytes,
                layer::TarWriter& tar,
                const std::stop_token& stop) {
  const auto source = blobs.open(digest);
  tar.header(header(blob_path(digest), S_IFREG, size_bytes));
  ContentSink content(tar, stop);
  VerifyingSink verified(content, digest, size_bytes);
  try {
    copy(*source, verified);
    verified.finish();
  } catch (Error& error) {
    // What is known to be damaged must not count as there.
    if (error.code() == Errc::corrupt) blobs.remove(digest);
    error.add_context("blob " + digest.str());
    throw;
  }
}

}  // namespace

void write_archive(const store::BlobStore& blobs,
                   const std::vector<ArchivedImage>& images,
                   ArchiveFormat format,
                   Sink& sink,
                   std::stop_token stop) {
  Inventory inventory(blobs);
  oci::Index index;
  std::vector<DockerImage> docker_images;
  for (const ArchivedImage& image : images) {
    std::vector<oci::Manifest> manifests;
    inventory.add(image.root, manifests);
    add_to_index(index, image);
    if (format == ArchiveFormat::docker) docker_images.push_back(docker_image(image, manifests));
  }
  std::map<std::string, std::string> documents{{"index.json", oci::to_json(index)},
                                               {"oci-layout", std::string(kOciLayout)}};
  if (format == ArchiveFormat::docker) documents.emplace("manifest.json", to_json(docker_images));

  layer::TarWriter tar(sink);
  tar.header(header("blobs", S_IFDIR, 0));
  tar.header(header("blobs/sha256", S_IFDIR, 0));
  for (const auto& [digest, size_bytes] : inventory.blobs())
    write_blob(blobs, digest, size_bytes, tar, stop);
  for (const auto& [name, text] : documents) {
    tar.header(header(name, S_IFREG, text.size()));
    tar.content(as_bytes(text));
  }
  tar.close();
}

}  // namespace kiln::image
