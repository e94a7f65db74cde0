#include "builder/sandbox/programs.h"

#include <unistd.h>

#include <cstdlib>

namespace kiln::sandbox {

namespace {

constexpr const char* kSystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace

std::optional<std::filesystem::path> find_program(std::string_view name) {
  if (name.contains('/')) return std::filesystem::path(name);
  const char* const own = std::getenv("PATH");
  const std::string path = own ? std::string(own) + ":" + kSystemPath : kSystemPath;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::filesystem::path candidate =
        std::filesystem::path(path.substr(begin, end - begin)) / name;
    if (candidate.is_absolute() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return std::nullopt;
}

std::vector<std::string> runtime_environment() {
  return {std::string("PATH=") + kSystemPath};
}

}  // namespace kiln::sandbox
