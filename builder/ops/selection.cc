#include "builder/ops/selection.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>

#include "builder/graph/pattern.h"
#include "proto/error.h"

namespace kiln::ops {

namespace {

constexpr int kMaxLinks = 40;  // as the kernel's MAXSYMLINKS

std::string join(std::string_view directory, std::string_view name) {
  return directory.empty() ? std::string(name) : fmt::format("{}/{}", directory, name);
}

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? "" : path.substr(0, slash));
}

std::string base_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

class Selector {
 public:
  Selector(const SourceTree& tree,
           const std::string& source,
           const Exclusion& exclusion,
           std::stop_token stop)
      : tree_(tree), source_(source), exclusion_(exclusion), stop_(std::move(stop)) {}

  std::vector<SelectedSource> run() {
    const os::ActAs as_peer(tree_.peer);
    if (graph::has_glob(source_)) {
      match("", os::split_path(source_));
    } else {
      select_path();
    }
    return std::move(found_);
  }

 private:
  void select_path() {
    std::deque<std::string> parts;
    for (std::string& part : os::split_path(source_)) {
      // ".." stops at the root, as in every copy source.
      if (part != "..") {
        parts.push_back(std::move(part));
      } else if (!parts.empty()) {
        parts.pop_back();
      }
    }
    const std::string name = parts.empty() ? "" : parts.back();
    std::optional<TreeEntry> entry = follow(std::move(parts));
    if (!entry) {
      throw Error(Errc::not_found, "\"{}\": not found in {}", source_, tree_.what);
    }
    if (!entry->path.empty() && exclusion_.excludes(entry->path) &&
        !S_ISDIR(entry->status.st_mode)) {
      throw Error(Errc::not_found, "\"{}\": excluded from {} by an ignore pattern", source_,
                  tree_.what);
    }
    add(name, std::move(*entry));
  }

  void add(std::string name, TreeEntry top) {
    SelectedSource selected{source_, std::move(name), {}};
    const bool directory = S_ISDIR(top.status.st_mode);
    const bool excluded = directory && !top.path.empty() && exclusion_.excludes(top.path);
    const std::string path = top.path;
    selected.entries.push_back(std::move(top));
    if (directory) walk(open_directory(path), path, selected.entries);
    if (excluded && selected.entries.size() == 1) {
      throw Error(Errc::not_found, "\"{}\": excluded from {} by an ignore pattern", source_,
                  tree_.what);
    }
    found_.push_back(std::move(selected));
  }

  /// Matches the rest of a glob's components below `directory`.
  void match(const std::string& directory,
             const std::vector<std::string>& components,
             std::size_t at = 0) {
    const bool last = at + 1 == components.size();
    for (const os::DirEntry& candidate : list(open_directory(directory), directory)) {
      if (!graph::matches_glob(components[at], candidate.name)) continue;
      const std::string path = join(directory, candidate.name);
      if (exclusion_.excludes_subtree(path)) continue;
      const auto parts = os::split_path(path);
      std::optional<TreeEntry> entry = follow({parts.begin(), parts.end()});
      if (!entry) continue;  // a dangling link
      const bool is_directory = S_ISDIR(entry->status.st_mode);
      if (!last) {
        if (is_directory) match(entry->path, components, at + 1);
      } else if (is_directory || !exclusion_.excludes(path)) {
        add(candidate.name, std::move(*entry));
      }
    }
  }

  /// Resolves a path inside the tree, links included; nullopt when it does not exist.
  std::optional<TreeEntry> follow(std::deque<std::string> rest) {
    TreeEntry entry = describe("");
    int links = 0;
    while (!rest.empty()) {
      const std::string part = rest.front();
      rest.pop_front();
      if (part == "..") {
        entry = describe(parent_of(entry.path));
        continue;
      }
      if (!S_ISDIR(entry.status.st_mode)) return std::nullopt;
      std::optional<TreeEntry> next = try_describe(join(entry.path, part));
      if (!next) return std::nullopt;
      if (!S_ISLNK(next->status.st_mode)) {
        entry = std::move(*next);
        continue;
      }
      if (++links > kMaxLinks) {
        throw Error(Errc::invalid_input, "\"{}\": too many levels of symbolic links", source_);
      }
      if (next->link_target.starts_with('/')) entry = describe("");
      std::vector<std::string> target = os::split_path(next->link_target);
      rest.insert(rest.begin(), target.begin(), target.end());
    }
    return entry;
  }

  TreeEntry describe(const std::string& path) {
    std::optional<TreeEntry> entry = try_describe(path);
    if (!entry) throw Error(Errc::not_found, "\"{}\" vanished from {}", path, tree_.what);
    return std::move(*entry);
  }

  std::optional<TreeEntry> try_describe(const std::string& path) {
    TreeEntry entry{path, {}, {}, {}};
    if (path.empty()) {
      if (::fstat(tree_.root->fd(), &entry.status) != 0)
        throw system_error(errno, "stat " + tree_.what);
      return entry;
    }
    const os::Fd parent = open_directory(parent_of(path));
    return stat_entry(parent.get(), base_of(path), path);
  }

  std::optional<TreeEntry> stat_entry(int parent_fd,
                                      const std::string& name,
                                      const std::string& path) {
    TreeEntry entry{path, {}, {}, {}};
    if (::fstatat(parent_fd, name.c_str(), &entry.status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
      throw system_error(errno, fmt::format("stat \"{}\" in {}", path, tree_.what));
    }
    if (S_ISLNK(entry.status.st_mode)) entry.link_target = os::read_link(parent_fd, name);
    return entry;
  }

  os::Fd open_directory(const std::string& path) {
    try {
      return tree_.root->open_at(path, O_RDONLY | O_DIRECTORY, os::Links::refuse);
    } catch (Error& error) {
      error.add_context(fmt::format("list \"{}\" in {}", path.empty() ? "." : path, tree_.what));
      throw;
    }
  }

  std::vector<os::DirEntry> list(const os::Fd& directory, const std::string& path) {
    try {
      return os::read_entries(directory.get());
    } catch (Error& error) {
      error.add_context(fmt::format("list \"{}\" in {}", path, tree_.what));
      throw;
    }
  }

  void walk(const os::Fd& directory, const std::string& path, std::vector<TreeEntry>& entries) {
    if (stop_.stop_requested()) throw Error(Errc::cancelled, "cancelled");
    for (const os::DirEntry& child : list(directory, path)) {
      const std::string child_path = join(path, child.name);
      const bool excluded = exclusion_.excludes(child_path);
      if (excluded && (child.type != DT_DIR || exclusion_.excludes_subtree(child_path))) continue;
      std::optional<TreeEntry> entry = stat_entry(directory.get(), child.name, child_path);
      if (!entry || S_ISSOCK(entry->status.st_mode))
        continue;  // vanished, or cannot be in an image
      const bool is_directory = S_ISDIR(entry->status.st_mode);
      const std::size_t before = entries.size();
      entries.push_back(std::move(*entry));
      if (!is_directory) continue;
      const os::Fd below(::openat(directory.get(), child.name.c_str(),
                                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!below)
        throw system_error(errno, fmt::format("list \"{}\" in {}", child_path, tree_.what));
      entries.back().xattrs = read_xattrs(below.get());
      walk(below, child_path, entries);
      // An excluded directory is there only for what is re-included below it.
      if (excluded && entries.size() == before + 1) entries.pop_back();
    }
  }

  const SourceTree& tree_;
  const std::string& source_;
  const Exclusion& exclusion_;
  std::stop_token stop_;
  std::vector<SelectedSource> found_;
};

}  // namespace

std::vector<SelectedSource> select_source(const SourceTree& tree,
                                          const std::string& source,
                                          const Exclusion& exclusion,
                                          std::stop_token stop) {
  return Selector(tree, source, exclusion, std::move(stop)).run();
}

os::Fd open_entry(const SourceTree& tree, const TreeEntry& entry) {
  os::Fd fd;
  try {
    const os::ActAs as_peer(tree.peer);
    fd = tree.root->open_at(entry.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, os::Links::refuse);
  } catch (Error& error) {
    error.add_context(fmt::format("read \"{}\" in {}", entry.path, tree.what));
    throw;
  }
  check_unchanged(fd.get(), entry);
  return fd;
}

void check_unchanged(int fd, const TreeEntry& entry) {
  struct stat now{};
  if (::fstat(fd, &now) != 0) throw system_error(errno, "stat " + entry.path);
  const struct stat& then = entry.status;
  const bool same =
      now.st_dev == then.st_dev && now.st_ino == then.st_ino && now.st_size == then.st_size &&
      now.st_mtim.tv_sec == then.st_mtim.tv_sec && now.st_mtim.tv_nsec == then.st_mtim.tv_nsec &&
      now.st_ctim.tv_sec == then.st_ctim.tv_sec && now.st_ctim.tv_nsec == then.st_ctim.tv_nsec;
  if (!same) {
    throw Error(
        Errc::unavailable,
        "\"{}\" changed while the build was reading it; build again when nothing writes to it",
        entry.path);
  }
}

}  // namespace kiln::ops
