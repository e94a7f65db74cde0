// One download: a response's body becomes the file of a new layer.
//
// Bytes are hashed while they are written. Thread: where it says so, else a pool's, one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "builder/ops/executor.h"
#include "builder/snapshot/workspace.h"
#include "registry-client/web_client.h"

namespace kiln::ops {

class Download {
 public:
  /// `algorithm` of the digest. Everything outlives the download.
  Download(Workshop& workshop, std::string algorithm)
      : workshop_(workshop), algorithm_(std::move(algorithm)) {}

  /// Where the body of an answer goes; what an earlier attempt wrote is forgotten. A body that was
  /// compressed for the way (Content-Encoding: gzip) is inflated.
  [[nodiscard]] std::unique_ptr<Sink> open(const registry::WebAnswer& answer);

  /// The digest of the finished body.
  [[nodiscard]] const std::string& digest() const { return digest_; }

  /// Gives the file its name and date.
  void finish(const std::string& name, std::int64_t mtime_seconds);

  /// The file system that the file is in.
  [[nodiscard]] std::shared_ptr<snapshot::Workspace> workspace() const { return workspace_; }

 private:
  class Body;
  class CompressedBody;

  Workshop& workshop_;
  std::string algorithm_;
  std::shared_ptr<snapshot::Workspace> workspace_;
  std::string digest_;
};

}  // namespace kiln::ops
