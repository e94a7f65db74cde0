#include "proto/platform.h"

#include <sys/utsname.h>

#include <algorithm>
#include <vector>

#include "proto/error.h"

namespace kiln {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

void normalize(Platform& platform) {
  std::string& arch = platform.architecture;
  std::string& variant = platform.variant;
  if (platform.os == "macos") platform.os = "darwin";
  if (arch == "i386" || arch == "i486" || arch == "i586" || arch == "i686") {
    arch = "386";
    variant.clear();
  } else if (arch == "x86_64" || arch == "x86-64" || arch == "amd64") {
    arch = "amd64";
    if (variant == "v1") variant.clear();
  } else if (arch == "aarch64" || arch == "arm64") {
    arch = "arm64";
    if (variant == "8" || variant == "v8") variant.clear();
  } else if (arch == "armhf") {
    arch = "arm";
    variant = "v7";
  } else if (arch == "armel") {
    arch = "arm";
    variant = "v6";
  } else if (arch == "arm") {
    if (variant.empty()) variant = "v7";
    if (variant.size() == 1) variant.insert(0, "v");
  }
}

bool is_architecture(std::string_view text) {
  static constexpr std::string_view kKnown[] = {
      "386",      "amd64",  "arm",     "arm64",   "i386",    "i486",    "i586",   "i686",
      "x86_64",   "x86-64", "armhf",   "armel",   "aarch64", "mips",    "mipsle", "mips64",
      "mips64le", "ppc64",  "ppc64le", "riscv64", "s390x",   "loong64", "wasm"};
  return std::ranges::find(kKnown, text) != std::end(kKnown);
}

}  // namespace

Platform Platform::parse(std::string_view text) {
  std::vector<std::string> parts;
  for (std::string_view rest = text;;) {
    const std::size_t slash = rest.find('/');
    parts.push_back(lower(rest.substr(0, slash)));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  const bool words = std::ranges::all_of(parts, [](const std::string& part) {
    return !part.empty() && std::ranges::all_of(part, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    });
  });
  if (!words || parts.size() > 3) {
    throw Error(Errc::invalid_input,
                "invalid platform \"{}\": want os/architecture[/variant], e.g. linux/amd64", text);
  }
  Platform platform;
  if (parts.size() == 1) {
    const Platform here = host();
    if (is_architecture(parts[0])) {
      platform = {here.os, parts[0], "", ""};
    } else {
      platform = {parts[0], here.architecture, here.variant, ""};
    }
  } else {
    platform = {parts[0], parts[1], parts.size() == 3 ? parts[2] : "", ""};
  }
  normalize(platform);
  return platform;
}

Platform Platform::host() {
  utsname name{};
  if (::uname(&name) != 0) throw system_error(errno, "uname");
  Platform platform{"linux", lower(name.machine), "", ""};
  if (platform.architecture.starts_with("armv")) {
    platform.variant = platform.architecture.substr(3, 2);
    platform.architecture = "arm";
  }
  normalize(platform);
  return platform;
}

std::optional<int> Platform::distance(const Platform& offered) const {
  if (os != offered.os || architecture != offered.architecture) return std::nullopt;
  if (variant == offered.variant) return 0;
  if (architecture == "arm" || architecture == "amd64") {
    const auto level = [](std::string_view v) {
      return v.size() == 2 && v[0] == 'v' ? v[1] - '0' : 1;
    };
    const int difference = level(variant) - level(offered.variant);
    if (difference >= 0) return difference;
    return std::nullopt;
  }
  if (offered.variant.empty()) return 1;
  return std::nullopt;
}

std::string Platform::str() const {
  std::string text = os + "/" + architecture;
  if (!variant.empty()) text += "/" + variant;
  return text;
}

}  // namespace kiln
