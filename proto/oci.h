// OCI image documents as values, and their JSON: the only place that maps the two.
//
// Parsers take hostile bytes: a wrong type, a missing field or an absurd size throws
// Error{corrupt} naming the field. Docker's schema 2 documents are read into the same values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/digest.h"
#include "proto/platform.h"

namespace kiln::oci {

inline constexpr std::string_view kManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerManifestList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayerGzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// The largest manifest, index or configuration that is accepted.
/// source: OCI distribution-spec v1.1 "Pushing Manifests" (registries should take at least 4 MiB).
inline constexpr std::uint64_t kMaxDocumentBytes = 4U * 1024 * 1024;

using Annotations = std::map<std::string, std::string>;

/// source: OCI image-spec v1.1 descriptor.md
struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size_bytes = 0;
  Annotations annotations;
  std::optional<Platform> platform;  ///< in an index only
  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

struct Manifest {
  std::string media_type{kManifest};
  Descriptor config;
  std::vector<Descriptor> layers;  ///< bottom first
  Annotations annotations;
};

struct Index {
  std::string media_type{kIndex};
  std::vector<Descriptor> manifests;
  Annotations annotations;
};

/// A health check as Docker's image format has it; the OCI configuration carries it as an
/// extension.
struct Healthcheck {
  std::vector<std::string> test;  ///< {"NONE"}, {"CMD", ...} or {"CMD-SHELL", text}
  std::int64_t interval_ns = 0;
  std::int64_t timeout_ns = 0;
  std::int64_t start_period_ns = 0;
  std::int64_t start_interval_ns = 0;
  int retries = 0;
  friend bool operator==(const Healthcheck&, const Healthcheck&) = default;
};

/// The "config" object: what a container started from the image gets by default.
/// nullopt for entrypoint, cmd and shell is "not set", which is not the same as empty.
struct ContainerConfig {
  std::string user;
  std::vector<std::string> exposed_ports;  ///< sorted, "8000/tcp"
  std::vector<std::string> env;            ///< "NAME=value", in the order of first definition
  std::optional<std::vector<std::string>> entrypoint;
  std::optional<std::vector<std::string>> cmd;
  std::vector<std::string> volumes;  ///< sorted
  std::string working_dir;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  std::optional<std::vector<std::string>> shell;
  std::optional<Healthcheck> healthcheck;
  std::vector<std::string> on_build;
  bool args_escaped = false;  ///< Windows and old Docker images
  friend bool operator==(const ContainerConfig&, const ContainerConfig&) = default;
};

struct HistoryEntry {
  std::string created;  ///< RFC 3339, "" when not known
  std::string created_by;
  std::string author;
  std::string comment;
  bool empty_layer = false;
  friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
};

/// source: OCI image-spec v1.1 config.md
struct ImageConfig {
  std::string created;  ///< RFC 3339, "" when not known
  std::string author;
  Platform platform;
  ContainerConfig config;
  std::vector<DiffId> diff_ids;  ///< bottom first
  std::vector<HistoryEntry> history;
  /// The build cache that the image carries, a JSON object (builder/cache/document.h); "" is none.
  /// An image made from another's configuration must not take it over.
  std::string cache;
};

/// The field of a configuration that ImageConfig::cache stands in.
inline constexpr std::string_view kCacheField = "kiln.cache.v1";

/// True for the media types of a manifest (one image) and of an index (several), OCI's and
/// Docker's.
[[nodiscard]] bool is_manifest(std::string_view media_type);
[[nodiscard]] bool is_index(std::string_view media_type);
/// True for a layer's: a tar, plain or compressed by gzip or zstd, of OCI's types (those that were
/// not to be distributed too) or Docker's.
[[nodiscard]] bool is_layer(std::string_view media_type);

/// A document's own mediaType, or what its shape says when it has none (OCI lets it be omitted).
[[nodiscard]] std::string media_type_of(std::string_view json);

[[nodiscard]] Manifest parse_manifest(std::string_view json);
[[nodiscard]] Index parse_index(std::string_view json);
[[nodiscard]] ImageConfig parse_config(std::string_view json);

/// Canonical documents: no white space, keys in a fixed order, so equal values give equal bytes.
[[nodiscard]] std::string to_json(const Manifest& manifest);
[[nodiscard]] std::string to_json(const Index& index);
[[nodiscard]] std::string to_json(const ImageConfig& config);

/// The manifest of `index` that runs best where `wanted` is asked for; nullopt when none does.
[[nodiscard]] std::optional<Descriptor> choose(const Index& index, const Platform& wanted);

}  // namespace kiln::oci
