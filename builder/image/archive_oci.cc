#include "builder/image/archive_oci.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "proto/error.h"

namespace kiln::image {

namespace {

constexpr const char* kContainerdName = "io.containerd.image.name";
constexpr const char* kRefName = "org.opencontainers.image.ref.name";

// index.json → index → manifest is what exists; the walk recurses.
constexpr int kMaxIndexDepth = 8;

bool is_image_type(std::string_view media_type) {
  return media_type.empty() || oci::is_manifest(media_type) || oci::is_index(media_type);
}

bool is_image_config(std::string_view media_type) {
  return media_type == oci::kConfig || media_type == oci::kDockerConfig;
}

/// BuildKit gives attestations the platform unknown/unknown.
bool is_attestation(const oci::Descriptor& manifest) {
  return manifest.platform && manifest.platform->os == "unknown";
}

struct Complete {
  oci::Descriptor root;
  std::set<Digest> blobs;
};

class Layout {
 public:
  explicit Layout(ArchiveContents& contents) : contents_(contents) {}

  /// Each document is read once, however often it is listed.
  const Complete& complete(const oci::Descriptor& listed, int depth) {
    if (const auto known = complete_.find(listed.digest); known != complete_.end()) {
      return known->second;
    }
    if (depth > kMaxIndexDepth)
      throw Error(Errc::corrupt, "index {}: nested too deeply", listed.digest.str());
    contents_.require(listed);
    const std::string text = contents_.document(listed.digest);
    Complete result = within(fmt::format("image archive: {}", listed.digest.str()), [&] {
      oci::Descriptor root = listed;
      root.annotations.clear();
      root.media_type = oci::media_type_of(text);
      // Bytes that are a manifest to one reader and an index to another mean two images.
      const bool is_index = oci::is_index(root.media_type);
      if (!is_image_type(root.media_type) ||
          (!listed.media_type.empty() && oci::is_index(listed.media_type) != is_index)) {
        throw Error(Errc::corrupt, "listed as {}, but it is {}", listed.media_type,
                    root.media_type);
      }
      return is_index ? complete_index(std::move(root), text, depth)
                      : complete_manifest(std::move(root), text);
    });
    return complete_.emplace(listed.digest, std::move(result)).first->second;
  }

 private:
  Complete complete_manifest(oci::Descriptor root, const std::string& text) {
    const oci::Manifest manifest = oci::parse_manifest(text);
    std::set<Digest> blobs{root.digest, manifest.config.digest};
    contents_.require(manifest.config);
    for (const oci::Descriptor& layer : manifest.layers) {
      contents_.require(layer);
      blobs.insert(layer.digest);
    }
    if (is_image_config(manifest.config.media_type)) {
      const oci::ImageConfig config = oci::parse_config(contents_.document(manifest.config.digest));
      if (!root.platform) root.platform = config.platform;
    }
    return {std::move(root), std::move(blobs)};
  }

  Complete complete_index(oci::Descriptor root, const std::string& text, int depth) {
    const oci::Index index = oci::parse_index(text);
    std::vector<oci::Descriptor> present;
    std::set<Digest> blobs{root.digest};
    std::set<Digest> seen;
    bool all = true;
    for (const oci::Descriptor& listed : index.manifests) {
      if (!seen.insert(listed.digest).second) continue;
      if (!contents_.size(listed.digest)) {
        all = false;
      } else if (is_image_type(listed.media_type)) {
        const Complete& child = complete(listed, depth + 1);
        all = all && child.root.digest == listed.digest;
        present.push_back(child.root);
        blobs.insert(child.blobs.begin(), child.blobs.end());
      } else {
        contents_.require(listed);
        blobs.insert(listed.digest);
      }
    }
    if (all) return {std::move(root), std::move(blobs)};
    return reduce(index, present, depth);
  }

  /// What is left of an index: `docker save` lists all platforms and packs those it has.
  Complete reduce(const oci::Index& index, const std::vector<oci::Descriptor>& present, int depth) {
    oci::Index rest{std::string(oci::kIndex), {}, index.annotations};
    std::ranges::copy_if(present, std::back_inserter(rest.manifests),
                         [](const oci::Descriptor& child) { return !is_attestation(child); });
    if (rest.manifests.empty()) {
      throw Error(Errc::corrupt, "none of the {} manifests that it lists is in the archive",
                  index.manifests.size());
    }
    if (rest.manifests.size() == 1) return complete(rest.manifests.front(), depth + 1);
    Complete result{contents_.add_document(oci::kIndex, oci::to_json(rest)), {}};
    result.blobs.insert(result.root.digest);
    for (const oci::Descriptor& child : rest.manifests) {
      const Complete& part = complete(child, depth + 1);
      result.blobs.insert(part.blobs.begin(), part.blobs.end());
    }
    return result;
  }

  ArchiveContents& contents_;
  std::map<Digest, Complete> complete_;  // by the digest that is listed
};

std::optional<Reference> parse_name(const std::string& text) {
  try {
    return Reference::parse(text).or_latest();
  } catch (const Error&) {
    return std::nullopt;  // annotations are free text: an image may come without a name
  }
}

}  // namespace

std::optional<Reference> name_in_layout(const oci::Annotations& annotations, const Digest& image) {
  std::optional<Reference> name;
  if (const auto whole = annotations.find(kContainerdName); whole != annotations.end()) {
    name = parse_name(whole->second);
  } else if (const auto ref = annotations.find(kRefName);
             ref != annotations.end() && ref->second.find_first_of("/:") != std::string::npos) {
    name = parse_name(ref->second);
  }
  if (name && name->digest && *name->digest != image) return std::nullopt;
  return name;
}

oci::Annotations layout_annotations(const Reference& name) {
  oci::Annotations annotations{{kContainerdName, name.str()}};
  if (name.tag) annotations.emplace(kRefName, *name.tag);
  return annotations;
}

std::vector<ArchivedImage> read_layout(ArchiveContents& contents,
                                       std::string_view index_json,
                                       std::set<Digest>& needed) {
  const oci::Index index =
      within("image archive: index.json", [&] { return oci::parse_index(index_json); });
  Layout layout(contents);
  std::vector<ArchivedImage> images;
  std::map<Digest, std::size_t> positions;
  for (const oci::Descriptor& listed : index.manifests) {
    if (!is_image_type(listed.media_type) || is_attestation(listed)) continue;
    const Complete& found = layout.complete(listed, 0);
    const auto [position, is_new] = positions.emplace(found.root.digest, images.size());
    if (is_new) {
      images.push_back({found.root, {}});
      needed.insert(found.blobs.begin(), found.blobs.end());
    }
    std::vector<Reference>& names = images[position->second].names;
    const auto name = name_in_layout(listed.annotations, found.root.digest);
    if (name && std::ranges::find(names, *name) == names.end()) names.push_back(*name);
  }
  return images;
}

}  // namespace kiln::image
