#include "builder/snapshot/untouched.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <ranges>
#include <set>

#include "builder/os/dir.h"
#include "proto/error.h"

namespace kiln::snapshot {

namespace {

namespace fs = std::filesystem;

constexpr const char* kOpaque = "trusted.overlay.opaque";
constexpr std::string_view kOverlayPrefix = "trusted.overlay.";

std::optional<struct stat> try_stat(const fs::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw system_error(errno, "stat " + path.string());
}

bool is_opaque(const fs::path& directory) {
  std::array<char, 2> value{};
  const ssize_t size = ::lgetxattr(directory.c_str(), kOpaque, value.data(), value.size());
  return size > 0 && value[0] == 'y';
}

/// The directory that the topmost of `lowers` shows at `path`; nullopt when there is none.
std::optional<fs::path> directory_below(const std::vector<fs::path>& lowers,
                                        const std::vector<std::string>& path) {
  for (const fs::path& lower : std::views::reverse(lowers)) {
    fs::path place = lower;
    bool opaque = is_opaque(place);
    bool missing = false;
    for (const std::string& part : path) {
      place /= part;
      const std::optional<struct stat> status = try_stat(place);
      missing = !status;
      if (missing) break;
      if (!S_ISDIR(status->st_mode)) return std::nullopt;  // a whiteout, or another kind of file
      opaque = opaque || is_opaque(place);
    }
    if (!missing) return place;
    if (opaque) return std::nullopt;
  }
  return std::nullopt;
}

/// Extended attributes but for overlayfs's own.
std::map<std::string, std::string> attributes(const fs::path& path) {
  std::string names(64UL * 1024, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  if (size < 0 && errno == ENOTSUP) return {};
  if (size < 0) throw system_error(errno, "list extended attributes of " + path.string());
  names.resize(static_cast<std::size_t>(size));
  std::map<std::string, std::string> found;
  for (std::size_t at = 0; at < names.size();) {
    const std::string name(names.c_str() + at);
    at += name.size() + 1;
    if (name.starts_with(kOverlayPrefix)) continue;
    std::string value(64UL * 1024, '\0');
    const ssize_t got = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (got < 0) throw system_error(errno, "read extended attribute " + name);
    value.resize(static_cast<std::size_t>(got));
    found.emplace(name, std::move(value));
  }
  return found;
}

bool same_metadata(const fs::path& a, const fs::path& b) {
  const struct stat one = try_stat(a).value();
  const struct stat other = try_stat(b).value();
  return one.st_mode == other.st_mode && one.st_uid == other.st_uid && one.st_gid == other.st_gid &&
         one.st_mtim.tv_sec == other.st_mtim.tv_sec &&
         one.st_mtim.tv_nsec == other.st_mtim.tv_nsec && attributes(a) == attributes(b);
}

/// Removes a directory that is empty, and leaves the one around it with its time.
void remove_empty(const fs::path& directory) {
  const fs::path parent = directory.parent_path();
  const struct stat before = try_stat(parent).value();
  if (::rmdir(directory.c_str()) != 0) {
    if (errno == ENOTEMPTY) return;
    throw system_error(errno, "remove " + directory.string());
  }
  const std::array<timespec, 2> times{before.st_atim, before.st_mtim};
  if (::utimensat(AT_FDCWD, parent.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error(errno, "set times of " + parent.string());
}

/// True when `path` is in `upper`, all of it directories: no link is followed.
bool has_directory(const fs::path& upper, const std::vector<std::string>& path) {
  fs::path place = upper;
  for (const std::string& part : path) {
    place /= part;
    const std::optional<struct stat> status = try_stat(place);
    if (!status || !S_ISDIR(status->st_mode)) return false;
  }
  return true;
}

fs::path join(const fs::path& root, const std::vector<std::string>& path) {
  fs::path place = root;
  for (const std::string& part : path)
    place /= part;
  return place;
}

}  // namespace

void drop_untouched(const fs::path& upper,
                    const std::vector<fs::path>& lowers,
                    const std::vector<std::string>& paths) {
  // Deepest first: a directory may be empty when those in it are gone.
  std::set<std::pair<std::size_t, std::vector<std::string>>> candidates;
  for (const std::string& path : paths) {
    std::vector<std::string> parts = os::split_path(path);
    for (; !parts.empty(); parts.pop_back())
      candidates.emplace(parts.size(), parts);
  }
  for (const auto& [depth, path] : std::views::reverse(candidates)) {
    if (!has_directory(upper, path)) continue;
    const fs::path copy = join(upper, path);
    if (is_opaque(copy)) continue;
    const std::optional<fs::path> below = directory_below(lowers, path);
    if (below && same_metadata(copy, *below)) remove_empty(copy);
  }
}

}  // namespace kiln::snapshot
