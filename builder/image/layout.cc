#include "builder/image/layout.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "builder/os/file.h"
#include "proto/error.h"
#include "proto/oci.h"
#include "proto/reference.h"

namespace kiln::image {

namespace {

constexpr const char* kRefName = "org.opencontainers.image.ref.name";

/// True when an entry of index.json goes by `tag`: its name is the tag, or a reference with it.
bool has_tag(const oci::Descriptor& entry, const std::string& tag) {
  const auto name = entry.annotations.find(kRefName);
  if (name == entry.annotations.end()) return false;
  if (name->second == tag) return true;
  try {
    return name->second.find('/') != std::string::npos && Reference::parse(name->second).tag == tag;
  } catch (const Error&) {
    return false;
  }
}

class Import {
 public:
  Import(const LayoutSource& source,
         const store::BlobStore& blobs,
         store::Lease& lease,
         std::stop_token stop)
      : source_(source), blobs_(blobs), lease_(lease), stop_(std::move(stop)) {}

  Digest run(const Platform& platform) {
    Digest root = source_.digest ? *source_.digest : find_tag();
    std::string text = document(root);
    if (oci::is_index(oci::media_type_of(text))) {
      const auto chosen = oci::choose(oci::parse_index(text), platform);
      if (!chosen) throw Error(Errc::not_found, "{}: no image for {}", root.str(), platform.str());
      root = chosen->digest;
      text = document(root);
    }
    const oci::Manifest manifest = oci::parse_manifest(text);
    take(manifest.config.digest, manifest.config.size_bytes);
    for (const oci::Descriptor& layer : manifest.layers)
      take(layer.digest, layer.size_bytes);
    lease_.add(root);
    blobs_.put(text);
    return root;
  }

 private:
  [[nodiscard]] Digest find_tag() const {
    const std::string text =
        os::read_all(open("index.json").get(), "index.json", oci::kMaxDocumentBytes);
    const std::vector<oci::Descriptor> entries =
        within("index.json", [&] { return oci::parse_index(text).manifests; });
    const auto found = std::ranges::find_if(
        entries, [this](const oci::Descriptor& entry) { return has_tag(entry, source_.tag); });
    if (found != entries.end()) return found->digest;
    if (entries.size() == 1) return entries.front().digest;
    std::string names;
    for (const oci::Descriptor& entry : entries) {
      const auto name = entry.annotations.find(kRefName);
      if (name != entry.annotations.end()) names += (names.empty() ? "" : ", ") + name->second;
    }
    throw Error(Errc::not_found, "the OCI layout has no image tagged \"{}\"; it has {}",
                source_.tag, names.empty() ? "none with a tag" : names);
  }

  /// A regular file of the layout.
  [[nodiscard]] os::Fd open(const std::string& path) const {
    const os::ActAs as_peer(source_.peer);
    auto file = source_.directory.try_open_at(path, O_RDONLY | O_NONBLOCK, os::Links::beneath);
    if (!file) throw Error(Errc::not_found, "{}: no such file; is it an OCI layout?", path);
    struct stat status{};
    if (::fstat(file->get(), &status) != 0) throw system_error(errno, "stat " + path);
    if (!S_ISREG(status.st_mode)) throw Error(Errc::invalid_input, "{}: not a regular file", path);
    return std::move(*file);
  }

  static std::string path_of(const Digest& digest) {
    return "blobs/sha256/" + std::string(digest.hex());
  }

  [[nodiscard]] std::string document(const Digest& digest) const {
    const std::string path = path_of(digest);
    std::string text = os::read_all(open(path).get(), path, oci::kMaxDocumentBytes);
    if (sha256(text) != digest)
      throw Error(Errc::corrupt, "{}: damaged: its content has the digest {}", path,
                  sha256(text).str());
    return text;
  }

  void take(const Digest& digest, std::uint64_t size_bytes) {
    lease_.add(digest);
    if (blobs_.has(digest, size_bytes)) return;
    const std::string path = path_of(digest);
    os::FileSource from(open(path), path);
    store::BlobWriter blob = blobs_.writer();
    VerifyingSink verified(blob, digest, size_bytes);
    std::vector<std::byte> buffer(std::size_t{256} * 1024);
    within(path, [&] {
      while (const std::size_t count = from.read(buffer)) {
        if (stop_.stop_requested()) throw Error(Errc::cancelled, "cancelled");
        verified.write(Bytes(buffer).first(count));
      }
      verified.finish();
    });
    blobs_.commit(std::move(blob), digest);
  }

  const LayoutSource& source_;
  const store::BlobStore& blobs_;
  store::Lease& lease_;
  std::stop_token stop_;
};

}  // namespace

Digest import_layout(const LayoutSource& source,
                     const Platform& platform,
                     const store::BlobStore& blobs,
                     store::Lease& lease,
                     std::stop_token stop) {
  return Import(source, blobs, lease, std::move(stop)).run(platform);
}

}  // namespace kiln::image
