#include "builder/layer/tree_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "proto/error.h"

namespace kiln::layer {

namespace {

// Directories deeper than this give their descriptor back while what is below is walked.
constexpr std::size_t kOpenLevels = 64;
// What openat2(2) takes, and so the longest path that any extractor can make.
constexpr std::size_t kMaxPathBytes = 4095;

struct Entry {
  os::DirEntry listed;
  std::optional<std::size_t> outside{};
};

struct Level {
  std::string path;
  os::Fd fd;
  std::vector<Entry> entries;
  std::size_t next = 0;
};

class Walk {
 public:
  Walk(const os::Dir& root,
       bool deletions_first,
       const OutsideFiles* outside,
       const std::stop_token& stop,
       const std::function<void(Visit&)>& visit)
      : root_(root),
        deletions_first_(deletions_first),
        outside_(outside),
        stop_(stop),
        visit_(visit) {}

  void run() {
    Visit top;
    top.fd = root_.open_at("", O_RDONLY | O_DIRECTORY, os::Links::refuse);
    stat_open(top);
    visit_(top);
    descend(top);
    while (!levels_.empty()) {
      if (stop_.stop_requested())
        throw Error(Errc::cancelled, "walk of a directory tree: cancelled");
      Level& level = levels_.back();
      if (level.next == level.entries.size()) {
        levels_.pop_back();
        continue;
      }
      Visit entry = meet(level, level.entries[level.next++]);
      visit_(entry);
      if (entry.type() == S_IFDIR) descend(entry);
    }
  }

 private:
  Visit meet(Level& level, const Entry& listed) {
    const os::DirEntry& entry = listed.listed;
    if (!level.fd) level.fd = root_.open_at(level.path, O_RDONLY | O_DIRECTORY, os::Links::refuse);
    Visit result;
    result.path = level.path.empty() ? entry.name : level.path + "/" + entry.name;
    result.name = entry.name;
    result.parent_fd = level.fd.get();
    if (result.path.size() > kMaxPathBytes) {
      throw Error(Errc::invalid_input, "{}...: the path is longer than {} bytes",
                  result.path.substr(0, 200), kMaxPathBytes);
    }
    if (listed.outside) {
      result.outside = listed.outside;
      result.status.st_mode = S_IFREG;
      return result;
    }
    if (entry.type != DT_REG && entry.type != DT_DIR) {
      if (::fstatat(result.parent_fd, entry.name.c_str(), &result.status, AT_SYMLINK_NOFOLLOW) != 0)
        throw system_error(errno, "stat " + result.path);
      if (result.type() != S_IFREG && result.type() != S_IFDIR) return result;
    }
    // Non-blocking: what became a fifo since the directory was read must not hang the walk.
    result.fd = os::Fd(::openat(result.parent_fd, entry.name.c_str(),
                                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!result.fd) throw system_error(errno, "open " + result.path);
    stat_open(result);
    return result;
  }

  static void stat_open(Visit& visit) {
    if (::fstat(visit.fd.get(), &visit.status) != 0)
      throw system_error(errno, "stat " + visit.path);
  }

  void descend(Visit& directory) {
    Level level;
    level.path = std::move(directory.path);
    std::vector<os::DirEntry> entries = os::read_entries(directory.fd.get());
    const OutsideFiles::Names* outside = outside_ == nullptr ? nullptr : outside_->in(level.path);
    if (outside != nullptr) drop_hidden(entries, *outside);
    std::size_t in_front = 0;
    if (deletions_first_) {
      in_front = put_deletions_first(directory.fd.get(), entries);
    } else {
      drop_deletions(directory.fd.get(), entries);
    }
    level.entries = merge(std::move(entries), in_front, outside);
    if (levels_.size() >= kOpenLevels) levels_.back().fd = os::Fd();
    level.fd = std::move(directory.fd);
    levels_.push_back(std::move(level));
  }

  /// What an outside file replaces, such as the deletion of what the layers below have there.
  static void drop_hidden(std::vector<os::DirEntry>& entries, const OutsideFiles::Names& outside) {
    std::erase_if(entries, [&](const os::DirEntry& entry) { return outside.contains(entry.name); });
  }

  /// What is in front stays there; all else is in the order of names.
  static std::vector<Entry> merge(std::vector<os::DirEntry> entries,
                                  std::size_t in_front,
                                  const OutsideFiles::Names* outside) {
    std::vector<Entry> merged;
    merged.reserve(entries.size() + (outside == nullptr ? 0 : outside->size()));
    for (os::DirEntry& entry : entries)
      merged.push_back({std::move(entry)});
    if (outside == nullptr) return merged;
    for (const auto& [name, file] : *outside)
      merged.push_back({{name, DT_REG}, file});
    std::ranges::sort(merged.begin() + static_cast<std::ptrdiff_t>(in_front), merged.end(), {},
                      [](const Entry& entry) -> const std::string& { return entry.listed.name; });
    return merged;
  }

  /// A mounted overlay lists the deletions of a directory that only one of its layers has, although
  /// there is nothing of that name.
  static void drop_deletions(int directory_fd, std::vector<os::DirEntry>& entries) {
    std::erase_if(entries, [directory_fd](const os::DirEntry& entry) {
      struct stat status{};
      return entry.type == DT_CHR &&
             ::fstatat(directory_fd, entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 &&
             errno == ENOENT;
    });
  }

  /// Returns how many there are.
  static std::size_t put_deletions_first(int directory_fd, std::vector<os::DirEntry>& entries) {
    std::vector<os::DirEntry> deletions;
    std::erase_if(entries, [&](os::DirEntry& entry) {
      if (!is_deletion(directory_fd, entry)) return false;
      deletions.push_back(std::move(entry));
      return true;
    });
    entries.insert(entries.begin(), std::make_move_iterator(deletions.begin()),
                   std::make_move_iterator(deletions.end()));
    return deletions.size();
  }

  static bool is_deletion(int directory_fd, const os::DirEntry& entry) {
    if (entry.type != DT_CHR && entry.type != DT_UNKNOWN) return false;
    struct stat status{};
    return ::fstatat(directory_fd, entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           is_whiteout(status);
  }

  const os::Dir& root_;
  bool deletions_first_;
  const OutsideFiles* outside_;
  const std::stop_token& stop_;
  const std::function<void(Visit&)>& visit_;
  std::vector<Level> levels_;
};

}  // namespace

std::vector<Xattr> Visit::xattrs() const {
  return fd ? read_xattrs(fd.get(), path) : read_xattrs_at(parent_fd, name, path);
}

bool is_whiteout(const struct stat& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
}

void walk_tree(const os::Dir& root,
               bool deletions_first,
               const OutsideFiles* outside,
               const std::stop_token& stop,
               const std::function<void(Visit&)>& visit) {
  Walk(root, deletions_first, outside, stop, visit).run();
}

}  // namespace kiln::layer
