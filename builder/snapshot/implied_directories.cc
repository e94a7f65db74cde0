#include "builder/snapshot/implied_directories.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <utility>

#include "builder/layer/attributes.h"
#include "builder/os/dir.h"
#include "proto/error.h"

namespace kiln::snapshot {

namespace {

namespace fs = std::filesystem;

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY;

layer::Attributes attributes_of(const os::Fd& directory, const std::string& path) {
  struct stat status{};
  if (::fstat(directory.get(), &status) != 0) throw system_error(errno, "stat " + path);
  return {status.st_mode & 07777, status.st_uid,
          status.st_gid,          status.st_mtim.tv_sec,
          status.st_mtim.tv_nsec, layer::read_xattrs(directory.get(), path)};
}

bool is_opaque(int directory) {
  std::array<char, 2> value{};
  return ::fgetxattr(directory, layer::kOpaqueXattr, value.data(), value.size()) > 0 &&
         value[0] == 'y';
}

/// What one layer has at a path.
struct Look {
  std::optional<layer::Attributes> directory;
  bool by_link = false;
  bool hides_below = false;  ///< the layers below are not seen there, nor around it
};

Look follow(const os::Dir& root, const std::string& path) {
  try {
    if (const auto led = root.try_open_at(path, kOpenDirectory, os::Links::in_root))
      return {attributes_of(*led, path), true, true};
  } catch (const Error& error) {
    if (error.code() != Errc::denied) throw;  // a circle of links
  }
  return {{}, true, true};
}

Look look(const fs::path& tree, const std::string& path) {
  const os::Dir root = os::Dir::open(tree);
  Look result;
  os::Fd place = root.open_at("", kOpenDirectory, os::Links::refuse);
  for (const std::string& part : os::split_path(path)) {
    result.hides_below = result.hides_below || is_opaque(place.get());
    struct stat status{};
    if (::fstatat(place.get(), part.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return result;
      throw system_error(errno, "stat " + path);
    }
    if (S_ISLNK(status.st_mode)) return follow(root, path);
    if (!S_ISDIR(status.st_mode)) return {{}, false, true};  // a deletion, or a file
    os::Fd next(::openat(place.get(), part.c_str(), kOpenDirectory | O_NOFOLLOW | O_CLOEXEC));
    if (!next) throw system_error(errno, "open directory " + path);
    place = std::move(next);
  }
  result.directory = attributes_of(place, path);
  return result;
}

struct Shown {
  layer::Attributes attributes;
  bool from_below = false;  ///< the topmost layer that has the directory only implies it
  bool alone = false;       ///< one layer implies it, no other that is seen has it
};

/// What the stack is to show of the directory; nullopt when there is none.
std::optional<Shown> shown(const std::vector<LayerTree>& stack, const std::string& path) {
  std::optional<layer::Attributes> implied;
  int count = 0;
  for (const LayerTree& layer : std::views::reverse(stack)) {
    const Look here = look(layer.tree, path);
    // What a link of an upper layer leads to is another directory.
    if (here.directory && (implied || !here.by_link)) {
      if (!std::ranges::binary_search(layer.implied, path))
        return Shown{*here.directory, implied.has_value(), false};
      ++count;
      if (!implied) implied = here.directory;
    }
    if (here.hides_below) break;
  }
  if (!implied) return std::nullopt;
  return Shown{*implied, false, count == 1};
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

void set_attributes(const fs::path& directory, const layer::Attributes& attributes) {
  const os::Fd fd(::open(directory.c_str(), kOpenDirectory | O_NOFOLLOW | O_CLOEXEC));
  if (!fd || ::fchown(fd.get(), attributes.uid, attributes.gid) != 0 ||
      ::fchmod(fd.get(), attributes.mode) != 0)
    throw system_error(errno, "set owner and mode of " + directory.string());
  layer::write_xattrs(fd.get(), attributes.xattrs, directory.native());
  const std::array<timespec, 2> times{timespec{0, UTIME_OMIT},
                                      timespec{attributes.mtime, attributes.mtime_ns}};
  if (::futimens(fd.get(), times.data()) != 0)
    throw system_error(errno, "set times of " + directory.string());
}

/// Makes directories, and gives them their attributes at the end: a new entry changes the time.
class Directories {
 public:
  Directories(const std::vector<LayerTree>& stack, const fs::path& target)
      : stack_(stack), target_(target) {
    made_.emplace("", look(stack.back().tree, "").directory.value());
  }

  void add(const std::string& path, layer::Attributes attributes) {
    if (made_.contains(path)) return;
    const std::string parent = parent_of(path);
    if (!made_.contains(parent)) add(parent, shown(stack_, parent).value().attributes);
    if (::mkdir((target_ / path).c_str(), 0700) != 0)
      throw system_error(errno, "make directory " + path);
    made_.emplace(path, std::move(attributes));
  }

  void finish() const {
    for (const auto& [path, attributes] : made_)
      set_attributes(path.empty() ? target_ : target_ / path, attributes);
  }

 private:
  const std::vector<LayerTree>& stack_;
  const fs::path& target_;
  std::map<std::string, layer::Attributes> made_;
};

}  // namespace

void restore_implied(const std::vector<LayerTree>& stack, const fs::path& target) {
  std::set<std::string> paths;
  for (const LayerTree& layer : stack)
    paths.insert(layer.implied.begin(), layer.implied.end());
  Directories directories(stack, target);
  // Those of one layer alone: so is what they hold.
  std::set<std::string> alone;
  for (const std::string& path : paths) {
    if (alone.contains(parent_of(path))) {
      alone.insert(path);
      continue;
    }
    std::optional<Shown> found = shown(stack, path);
    if (found && found->alone) alone.insert(path);
    if (found && found->from_below) directories.add(path, std::move(found->attributes));
  }
  directories.finish();
}

}  // namespace kiln::snapshot
