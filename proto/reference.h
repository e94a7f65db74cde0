// Image references: [registry/]repository[:tag][@digest], with Docker's shorthands made explicit.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proto/digest.h"

namespace kiln {

inline constexpr std::string_view kDockerHub = "docker.io";

/// A reference that is always valid and complete: registry and repository are never empty.
struct Reference {
  std::string registry;    ///< host[:port], e.g. "docker.io" or "127.0.0.1:5000"
  std::string repository;  ///< e.g. "library/python"
  std::optional<std::string> tag;
  std::optional<Digest> digest;

  /// Parses what a user typed: "python" is docker.io/library/python (without a tag: see or_latest).
  /// Throws Error{invalid_input} naming the text and the rule that it breaks.
  /// source: distribution/reference grammar; OCI distribution-spec v1.1 "Pulling manifests".
  [[nodiscard]] static Reference parse(std::string_view text);

  /// The same with tag "latest" when it has neither tag nor digest.
  [[nodiscard]] Reference or_latest() const;

  /// The complete form: docker.io/library/python:3.12-slim.
  [[nodiscard]] std::string str() const;
  /// The form people type: python:3.12-slim.
  [[nodiscard]] std::string familiar() const;
  /// registry/repository, without tag or digest.
  [[nodiscard]] std::string name() const { return registry + "/" + repository; }

  friend bool operator==(const Reference&, const Reference&) = default;
};

}  // namespace kiln
