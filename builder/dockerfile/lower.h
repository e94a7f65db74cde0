// Stages → build graph and image configuration. Pure: base images are handed in, nothing is
// fetched.
//
// Only what the target stage needs is lowered. The caller loops: ask `missing_images`, resolve what
// it names, ask again (a base image may bring triggers that need more), until nothing is missing;
// then `lower`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "builder/dockerfile/diagnostic.h"
#include "builder/dockerfile/document.h"
#include "builder/dockerfile/named_context.h"
#include "builder/dockerfile/outline.h"
#include "builder/graph/graph.h"
#include "proto/oci.h"
#include "proto/platform.h"
#include "proto/reference.h"

namespace kiln::dockerfile {

struct LowerOptions {
  std::string target;       ///< stage name or index; "" is the last stage
  bool all_stages = false;  ///< lower those too that the target does not need: to check them
  std::map<std::string, std::string> build_args;
  std::map<std::string, std::string> labels;  ///< added to the image configuration
  Platform build_platform;
  Platform target_platform;
  /// The request named no platform: the image keeps that of its base (FROM --platform=...).
  bool implicit_platform = false;
  graph::Network network = graph::Network::standard;  ///< of RUN steps that do not say
  bool no_cache = false;
  std::vector<std::string> no_cache_stages;
  std::vector<std::string> add_hosts;
  std::vector<graph::Ulimit> ulimits;
  std::int64_t shm_size_bytes = 0;
  std::vector<std::string> context_ignore;  ///< patterns of the .dockerignore that applies
  NamedContexts contexts;
  std::vector<std::string> allow;  ///< entitlements that the request has: "network.host", ...
};

/// A base image that lowering needs.
struct ImageNeed {
  Reference reference;
  Platform platform;
  std::string text;          ///< as the Dockerfile has it, for messages
  graph::SourceRange range;  ///< where
  bool needs_config = true;  ///< false for COPY --from=IMAGE: only its files are used
  std::string context{};     ///< the named context that it stands for, "" when it is none
  bool in_layout = false;    ///< the context is an OCI layout, which no registry has
  /// Key into ResolvedImages.
  [[nodiscard]] std::string key() const {
    return reference.str() + " " + platform.str() + (in_layout ? " in " + context : "");
  }
};

struct ResolvedImage {
  Digest manifest;
  oci::ImageConfig config;
};

using ResolvedImages = std::map<std::string, ResolvedImage>;

/// A history entry of the new image, and the vertex whose layer it describes (nullopt: empty
/// layer).
struct StepHistory {
  oci::HistoryEntry entry;  ///< without `created`: known when the layer is
  std::optional<graph::VertexId> vertex;
};

struct Lowered {
  graph::Graph graph;
  graph::VertexId target = 0;           ///< its file system is the image's
  std::optional<Digest> base_manifest;  ///< nullopt: FROM scratch
  oci::ImageConfig config;  ///< complete but for diff_ids, created and history of new steps;
                            ///< diff_ids and history are the base image's
  std::vector<StepHistory> history;               ///< the new steps, in order
  std::optional<std::int64_t> source_date_epoch;  ///< seconds, when the build asks for it
  std::vector<Diagnostic> warnings;
  Outline outline;  ///< of the target
};

/// A warning, or an error, with its place and an excerpt, ready to show.
[[nodiscard]] std::string render(const Document& document, const Diagnostic& diagnostic);

/// The error of a Dockerfile that could not be parsed, with the warnings about what could.
[[nodiscard]] DockerfileError mistakes_error(const Document& document,
                                             const LowerOptions& options,
                                             std::vector<Diagnostic> mistakes);

/// The name that SOURCE_DATE_EPOCH is given as, in a build argument or a global ARG, where it is no
/// number: "context", a named context, or a stage that one ADD from the network makes. Its date is
/// for the caller to find and to put into the build arguments. "" otherwise. source: BuildKit
/// docs/build-repro.md
[[nodiscard]] std::string source_date_name(const Document& document, const LowerOptions& options);

/// The images that lowering `document` needs and `known` lacks; throws DockerfileError.
[[nodiscard]] std::vector<ImageNeed> missing_images(const Document& document,
                                                    const LowerOptions& options,
                                                    const ResolvedImages& known);

/// Throws DockerfileError, with the warnings found before. `known` must hold all that
/// missing_images asked for.
[[nodiscard]] Lowered lower(const Document& document,
                            const LowerOptions& options,
                            const ResolvedImages& known);

}  // namespace kiln::dockerfile
