#include "builder/ops/selection.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <iterator>
#include <optional>

#include "builder/graph/nearest.h"
#include "builder/graph/pattern.h"
#include "builder/ops/tree_walk.h"
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

/// A backslash takes a character's meaning away.
bool has_wildcard(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '*' || text[i] == '?' || text[i] == '[') {
      return true;
    }
  }
  return false;
}

class Selector {
 public:
  Selector(const SourceTree& tree,
           const std::string& source,
           const SourceFilter& filter,
           const Exclusion& exclusion,
           std::stop_token stop,
           boost::asio::thread_pool* helpers)
      : tree_(tree),
        source_(source),
        filter_(filter),
        exclusion_(exclusion),
        stop_(std::move(stop)),
        helpers_(helpers) {}

  std::vector<SelectedSource> run() {
    const os::ActAs as_peer(tree_.peer);
    const std::size_t pivot = filter_.keep_parents ? source_.find(kPivot) : std::string::npos;
    if (pivot == std::string::npos) {
      select(source_);
    } else {
      select_parts(source_.substr(0, pivot), source_.substr(pivot + kPivot.size()));
    }
    return std::move(found_);
  }

 private:
  static constexpr std::string_view kPivot = "/./";

  void select_parts(const std::string& place, const std::string& pattern) {
    if (!has_wildcard(place) && !has_wildcard(pattern)) (void)existing(join(place, pattern));
    // Of a source that is "." everything is meant.
    if (!pattern.empty()) include_.emplace(std::vector<std::string>{pattern});
    select(place);
  }

  void select(const std::string& path) {
    if (!filter_.is_literal && has_wildcard(path)) {
      select_glob(path);
    } else {
      const std::vector<std::string> parts = os::split_path(path);
      add(parts.empty() ? "" : parts.back(), existing(path));
    }
  }

  /// What is at `path`; throws Error{not_found} when that is nothing.
  TreeEntry existing(const std::string& path) {
    std::deque<std::string> parts;
    for (std::string& part : os::split_path(path)) {
      // ".." stops at the root, as in every copy source.
      if (part != "..") {
        parts.push_back(std::move(part));
      } else if (!parts.empty()) {
        parts.pop_back();
      }
    }
    std::optional<TreeEntry> entry = follow(parts);
    if (!entry) {
      throw Error(Errc::not_found, "\"{}\": not found in {}{}", path, tree_.what, hint_for(parts));
    }
    if (!entry->path.empty() && exclusion_.excludes(entry->path) &&
        !S_ISDIR(entry->status.st_mode)) {
      fail_excluded();
    }
    return std::move(*entry);
  }

  [[noreturn]] void fail_excluded() const {
    throw Error(Errc::not_found, "\"{}\": excluded from {} by an ignore pattern", source_,
                tree_.what);
  }

  /// "; did you mean "X"?" where a directory on the way has a name that is nearly the right one.
  std::string hint_for(const std::deque<std::string>& parts) {
    std::optional<TreeEntry> directory = describe("");
    std::string so_far;
    for (const std::string& part : parts) {
      std::deque<std::string> next{part};
      for (std::string& above : os::split_path(so_far))
        next.insert(std::prev(next.end()), std::move(above));
      std::optional<TreeEntry> entry = follow(next);
      if (!entry) {
        if (!S_ISDIR(directory->status.st_mode)) return "";
        std::vector<std::string> names;
        for (const os::DirEntry& candidate :
             list_directory(tree_, open_directory(directory->path), directory->path)) {
          if (!exclusion_.excludes(join(directory->path, candidate.name)))
            names.push_back(candidate.name);
        }
        const std::string match = graph::nearest(part, names);
        return match.empty() ? "" : fmt::format("; did you mean \"{}\"?", join(so_far, match));
      }
      directory = std::move(entry);
      so_far = join(so_far, part);
    }
    return "";
  }

  void add(std::string name, TreeEntry top) {
    SelectedSource selected{source_, std::move(name), {}};
    const bool directory = S_ISDIR(top.status.st_mode);
    const bool excluded = directory && !top.path.empty() && exclusion_.excludes(top.path);
    const std::string place = top.path;
    selected.entries.push_back(std::move(top));
    if (directory) {
      walk_tree(tree_, open_directory(place), {filter_, exclusion_, include_, place}, helpers_,
                stop_, selected.entries);
    }
    if (excluded && selected.entries.size() == 1) fail_excluded();
    found_.push_back(std::move(selected));
  }

  void select_glob(const std::string& path) {
    std::vector<std::string> components = os::split_path(path);
    const auto first = std::ranges::find_if(components, has_wildcard);
    std::string place;
    for (auto part = components.begin(); part != first; ++part)
      place = join(place, *part);
    const TreeEntry base = existing(place);
    components.erase(components.begin(), first);
    if (S_ISDIR(base.status.st_mode)) match(base.path, components, 0);
  }

  /// Matches the components from `at` on below `directory`. Only what matches all of them may be a
  /// link.
  void match(const std::string& directory,
             const std::vector<std::string>& components,
             std::size_t at) {
    const bool last = at + 1 == components.size();
    const os::Fd fd = open_directory(directory);
    for (const os::DirEntry& candidate : list_directory(tree_, fd, directory)) {
      if (!graph::matches_glob(components[at], candidate.name)) continue;
      const std::string path = join(directory, candidate.name);
      if (exclusion_.excludes_subtree(path)) continue;
      if (!last) {
        const std::optional<TreeEntry> entry = stat_entry(tree_, fd.get(), candidate.name, path);
        if (entry && S_ISDIR(entry->status.st_mode)) match(path, components, at + 1);
        continue;
      }
      const auto parts = os::split_path(path);
      std::optional<TreeEntry> entry = follow({parts.begin(), parts.end()});
      if (!entry) continue;  // a dangling link
      if (S_ISDIR(entry->status.st_mode) || !exclusion_.excludes(path))
        add(candidate.name, std::move(*entry));
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
    return stat_entry(tree_, parent.get(), base_of(path), path);
  }

  os::Fd open_directory(const std::string& path) {
    try {
      return tree_.root->open_at(path, O_RDONLY | O_DIRECTORY, os::Links::refuse);
    } catch (Error& error) {
      error.add_context(fmt::format("list \"{}\" in {}", path.empty() ? "." : path, tree_.what));
      throw;
    }
  }

  const SourceTree& tree_;
  const std::string& source_;
  const SourceFilter& filter_;
  const Exclusion& exclusion_;
  std::stop_token stop_;
  boost::asio::thread_pool* helpers_;
  std::optional<graph::PatternList> include_;  ///< nullopt: everything
  std::vector<SelectedSource> found_;
};

}  // namespace

std::vector<SelectedSource> select_source(const SourceTree& tree,
                                          const std::string& source,
                                          const SourceFilter& filter,
                                          const Exclusion& exclusion,
                                          std::stop_token stop,
                                          boost::asio::thread_pool* helpers) {
  return Selector(tree, source, filter, exclusion, std::move(stop), helpers).run();
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

void fail_changed(const TreeEntry& entry) {
  throw Error(
      Errc::unavailable,
      "\"{}\" changed while the build was reading it; build again when nothing writes to it",
      entry.path);
}

void check_unchanged(int fd, const TreeEntry& entry) {
  struct stat now{};
  if (::fstat(fd, &now) != 0) throw system_error(errno, "stat " + entry.path);
  const struct stat& then = entry.status;
  const bool same =
      now.st_dev == then.st_dev && now.st_ino == then.st_ino && now.st_size == then.st_size &&
      now.st_mtim.tv_sec == then.st_mtim.tv_sec && now.st_mtim.tv_nsec == then.st_mtim.tv_nsec &&
      now.st_ctim.tv_sec == then.st_ctim.tv_sec && now.st_ctim.tv_nsec == then.st_ctim.tv_nsec;
  if (!same) fail_changed(entry);
}

}  // namespace kiln::ops
