// Platforms as "os/architecture[/variant]" in GOOS/GOARCH words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kiln {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;     ///< "" when the architecture has none, or the default one
  std::string os_version;  ///< Windows only

  /// Parses "linux/arm64", "linux/arm/v7" or "amd64"; applies the aliases (x86_64, aarch64, ...).
  /// Throws Error{invalid_input}.
  /// source: containerd/platforms normalisation rules; OCI image-spec v1.1 image-index.md
  /// "platform".
  [[nodiscard]] static Platform parse(std::string_view text);

  /// The platform of this machine.
  [[nodiscard]] static Platform host();

  /// How well an image for `offered` runs where this is wanted: 0 is exact, larger is worse,
  /// nullopt is not at all (linux/arm/v7 runs v6 and v5 images too).
  [[nodiscard]] std::optional<int> distance(const Platform& offered) const;

  [[nodiscard]] std::string str() const;
  friend bool operator==(const Platform&, const Platform&) = default;
};

}  // namespace kiln
