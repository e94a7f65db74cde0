#include "builder/layer/entry_name.h"

#include <vector>

#include "builder/os/dir.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

constexpr std::size_t kMaxPartBytes = 255;   // NAME_MAX
constexpr std::size_t kMaxPathBytes = 4095;  // PATH_MAX without its NUL

}  // namespace

std::string clean_entry_name(std::string_view name) {
  if (name.empty()) throw Error(Errc::corrupt, "archive: an entry has an empty name");
  std::vector<std::string> parts;
  for (std::string& part : os::split_path(name)) {
    if (part.size() > kMaxPartBytes) {
      throw Error(Errc::corrupt, "archive entry {}...: a part of the name is longer than {} bytes",
                  name.substr(0, 100), kMaxPartBytes);
    }
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (parts.empty()) {
      throw Error(Errc::corrupt, "archive entry {}: the name leads out of the archive", name);
    } else {
      parts.pop_back();
    }
  }
  std::string clean = fmt::format("{}", fmt::join(parts, "/"));
  if (clean.size() > kMaxPathBytes) {
    throw Error(Errc::corrupt, "archive entry {}...: the name is longer than {} bytes",
                name.substr(0, 100), kMaxPathBytes);
  }
  return clean;
}

}  // namespace kiln::layer
