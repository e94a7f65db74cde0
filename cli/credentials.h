// Registry credentials as docker keeps them: config.json and the docker-credential-* programs.
//
// What kiln does not know in config.json stays as it is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proto/messages.h"

namespace kiln::cli {

class DockerConfig {
 public:
  /// `folder` holds config.json; it need not exist.
  explicit DockerConfig(std::string folder) : folder_(std::move(folder)) {}

  /// $DOCKER_CONFIG, else ~/.docker.
  [[nodiscard]] static DockerConfig of_user();

  /// The credentials for a registry ("docker.io", "host:port"), from credHelpers, credsStore, then
  /// auths; all empty when there are none. Throws Error when the file or a helper is broken.
  /// source: docker/cli config/configfile/file.go GetAuthConfig
  [[nodiscard]] Credentials find(const std::string& registry) const;

  /// Keeps them with the configured helper, else in config.json (mode 0600).
  /// Returns where they are now, for people.
  std::string store(const std::string& registry, const Credentials& credentials) const;

  /// Forgets them; false when there were none.
  bool erase(const std::string& registry) const;

  [[nodiscard]] std::string path() const { return folder_ + "/config.json"; }

 private:
  std::string folder_;
};

/// "docker.io" for every spelling of Docker Hub, else host[:port] of what the user typed or docker
/// wrote ("https://host:5000/v2/").
[[nodiscard]] std::string registry_of(std::string_view server);

}  // namespace kiln::cli
