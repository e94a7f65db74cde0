#include "builder/image/archive_docker.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "builder/layer/compress.h"
#include "proto/error.h"

namespace kiln::image {

namespace {

using Json = nlohmann::ordered_json;

/// An array of objects of arrays: what is deeper is not meant for us, and the parser recurses.
constexpr int kMaxDepth = 16;

std::vector<std::string> strings(const Json& object, const char* key) {
  std::vector<std::string> result;
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return result;
  const bool good = found->is_array() &&
                    std::ranges::all_of(*found, [](const Json& item) { return item.is_string(); });
  if (!good) throw Error(Errc::corrupt, "field \"{}\": not an array of strings", key);
  for (const Json& item : *found)
    result.push_back(item.get<std::string>());
  return result;
}

std::string_view type_by_magic(Source& blob) {
  std::array<std::byte, 4> head{};
  std::size_t filled = 0;
  while (filled < head.size()) {
    const std::size_t count = blob.read(MutableBytes(head).subspan(filled));
    if (count == 0) break;
    filled += count;
  }
  const std::string_view text = as_text(Bytes(head).first(filled));
  if (text.starts_with("\x1f\x8b")) return oci::kLayerGzip;
  if (text == "\x28\xb5\x2f\xfd") return oci::kLayerZstd;
  return oci::kLayer;
}

/// The digest of what a stream holds; nothing is kept.
Digest hash(Source& source, const std::stop_token& stop) {
  std::vector<std::byte> buffer(std::size_t{256} * 1024);
  Sha256 sha;
  while (const std::size_t count = source.read(buffer)) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "read an image archive: cancelled");
    sha.update(Bytes(buffer).first(count));
  }
  return sha.finish();
}

class DockerArchive {
 public:
  DockerArchive(ArchiveContents& contents, const std::stop_token& stop)
      : contents_(contents), stop_(stop) {}

  ArchivedImage read(const DockerImage& listed, std::set<Digest>& needed) {
    const Digest config_digest = file(listed.config);
    const oci::ImageConfig config = within("image archive: " + listed.config, [&] {
      return oci::parse_config(contents_.document(config_digest));
    });
    if (config.diff_ids.size() != listed.layers.size()) {
      throw Error(Errc::corrupt, "image archive: {}: {} layers, but manifest.json lists {}",
                  listed.config, config.diff_ids.size(), listed.layers.size());
    }
    oci::Manifest manifest{
        std::string(oci::kManifest), descriptor(oci::kConfig, config_digest), {}, {}};
    std::set<Digest> blobs{config_digest};
    for (std::size_t i = 0; i < listed.layers.size(); ++i) {
      manifest.layers.push_back(layer(listed.layers[i], config.diff_ids[i]));
      blobs.insert(manifest.layers.back().digest);
    }
    ArchivedImage image{contents_.add_document(oci::kManifest, oci::to_json(manifest)), {}};
    image.root.platform = config.platform;
    for (const std::string& tag : listed.repo_tags)
      add_name(image, tag);
    needed.insert(blobs.begin(), blobs.end());
    needed.insert(image.root.digest);
    return image;
  }

 private:
  /// What a layer's blob is, after it was read once.
  struct Content {
    std::string_view media_type;
    DiffId diff_id;
  };

  Digest file(const std::string& name) const {
    const std::optional<Digest> found = contents_.find(name);
    if (!found || !contents_.size(*found))
      throw Error(Errc::corrupt, "image archive: {}: named by manifest.json, but missing", name);
    return *found;
  }

  oci::Descriptor descriptor(std::string_view media_type, const Digest& digest) const {
    return {std::string(media_type), digest, contents_.size(digest).value_or(0), {}, {}};
  }

  oci::Descriptor layer(const std::string& name, const DiffId& expected) {
    const Digest digest = file(name);
    // Nearly always: `docker save` and its like write plain tars.
    if (digest == expected.digest) return descriptor(oci::kLayer, digest);
    const Content& content = look_into(name, digest);
    if (content.diff_id != expected) {
      throw Error(Errc::corrupt,
                  "image archive: {}: damaged: its content has the digest {} instead of {}", name,
                  content.diff_id.str(), expected.str());
    }
    return descriptor(content.media_type, digest);
  }

  const Content& look_into(const std::string& name, const Digest& digest) {
    if (const auto known = content_.find(digest); known != content_.end()) return known->second;
    const std::string_view type = type_by_magic(*contents_.open(digest));
    Digest diff_id = digest;
    if (type != oci::kLayer) {
      within("image archive: " + name, [&] {
        diff_id = hash(*layer::make_decompressor(contents_.open(digest), false), stop_);
      });
    }
    return content_.emplace(digest, Content{type, {std::move(diff_id)}}).first->second;
  }

  static void add_name(ArchivedImage& image, const std::string& tag) {
    const Reference name =
        within("image archive: manifest.json", [&] { return Reference::parse(tag).or_latest(); });
    if (name.digest) {
      throw Error(Errc::corrupt, "image archive: manifest.json: \"{}\" among the tags has a digest",
                  tag);
    }
    if (std::ranges::find(image.names, name) == image.names.end()) image.names.push_back(name);
  }

  ArchiveContents& contents_;
  const std::stop_token& stop_;
  std::map<Digest, Content> content_;
};

}  // namespace

std::vector<DockerImage> parse_docker_images(std::string_view json) {
  const auto depth = [](int level, Json::parse_event_t, Json&) {
    if (level > kMaxDepth) throw Error(Errc::corrupt, "nested too deeply");
    return true;
  };
  const Json list = Json::parse(json, depth, /*allow_exceptions=*/false);
  if (!list.is_array()) throw Error(Errc::corrupt, "not a JSON array");
  std::vector<DockerImage> images;
  for (const Json& item : list) {
    if (!item.is_object()) throw Error(Errc::corrupt, "not an array of objects");
    const auto config = item.find("Config");
    if (config == item.end() || !config->is_string())
      throw Error(Errc::corrupt, "field \"Config\": not a string");
    images.push_back(
        {config->get<std::string>(), strings(item, "RepoTags"), strings(item, "Layers")});
  }
  return images;
}

std::string to_json(const std::vector<DockerImage>& images) {
  Json list = Json::array();
  for (const DockerImage& image : images) {
    list.push_back(
        {{"Config", image.config}, {"RepoTags", image.repo_tags}, {"Layers", image.layers}});
  }
  return list.dump();
}

std::vector<ArchivedImage> read_docker_images(ArchiveContents& contents,
                                              const std::vector<DockerImage>& listed,
                                              std::set<Digest>& needed,
                                              const std::stop_token& stop) {
  DockerArchive archive(contents, stop);
  std::vector<ArchivedImage> images;
  for (const DockerImage& image : listed) {
    ArchivedImage found = archive.read(image, needed);
    const auto same = std::ranges::find(
        images, found.root.digest, [](const ArchivedImage& known) { return known.root.digest; });
    if (same == images.end()) {
      images.push_back(std::move(found));
    } else {
      same->names.insert(same->names.end(), found.names.begin(), found.names.end());
    }
  }
  return images;
}

}  // namespace kiln::image
