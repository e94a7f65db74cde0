#include "builder/ops/tree_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "builder/os/peer.h"
#include "proto/error.h"

namespace kiln::ops {

namespace {

/// So many names of a directory are one thread's work.
constexpr std::size_t kPiece = 256;
/// For fewer entries it is not worth waking anybody.
constexpr std::size_t kWorthHelp = 512;

struct Directory {
  os::Fd fd;
  std::string path;
  std::vector<os::DirEntry> names{};
};

/// What one task found; what other tasks found for it lies in between.
struct Node {
  struct Below {
    std::size_t place = 0;  ///< before that one of `entries`
    std::unique_ptr<Node> node{};
    bool is_piece = false;       ///< of the same directory; else of the directory before `place`
    bool needs_content = false;  ///< that directory is there only for what is selected below it
  };
  std::vector<TreeEntry> entries{};
  std::vector<Below> below{};
  std::vector<Xattr> xattrs{};   ///< of the directory
  std::exception_ptr failure{};  ///< after all of that
};

/// Names of a directory, or a directory in it that nobody has opened yet: so a wide tree costs no
/// descriptors.
struct Task {
  Node* node = nullptr;
  std::shared_ptr<const Directory> directory{};
  std::string child{};    ///< its name, or
  std::size_t begin = 0;  ///< `names` from there
  std::size_t end = 0;
};

/// The tasks of a walk and who is at work on them. Shared with helpers that come too late.
class Tasks {
 public:
  void add(std::vector<Task> tasks) {
    if (tasks.empty()) return;
    const std::lock_guard lock(mutex_);
    // The last one added is the next one done: the tree is walked depth first, in order.
    std::move(tasks.rbegin(), tasks.rend(), std::back_inserter(waiting_));
    changed_.notify_all();
  }

  /// Does what there is to do until all is done. `work` adds tasks and does not throw.
  template <class Work>
  void take_part(const Work& work) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return !waiting_.empty() || at_work_ == 0; });
      if (waiting_.empty()) return;
      Task task = std::move(waiting_.back());
      waiting_.pop_back();
      ++at_work_;
      lock.unlock();
      work(std::move(task));
      lock.lock();
      end_one_locked();
    }
  }

  /// The work that the tasks begin with is done.
  void end_one() {
    const std::lock_guard lock(mutex_);
    end_one_locked();
  }

 private:
  void end_one_locked() {
    if (--at_work_ == 0 && waiting_.empty()) changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Task> waiting_;
  std::size_t at_work_ = 1;  ///< who made this
};

class Walk {
 public:
  Walk(const SourceTree& tree,
       const WalkRules& rules,
       boost::asio::thread_pool* helpers,
       const std::stop_token& stop)
      : tree_(tree),
        rules_(rules),
        helpers_(rules.exclusion.left_out ? nullptr : helpers),
        stop_(stop) {}

  void run(os::Fd top, std::vector<TreeEntry>& entries) {
    Node root;
    try {
      list(root, {std::move(top), rules_.top});
    } catch (...) {
      root.failure = std::current_exception();
    }
    tasks_->end_one();
    tasks_->take_part([this](Task task) { perform(std::move(task)); });
    entries.reserve(entries.size() + seen_);
    append(root, entries);
  }

 private:
  void perform(Task task) {
    Node& node = *task.node;
    try {
      if (!task.child.empty()) {
        list(node, open_child(node, *task.directory, task.child));
      } else {
        take(node, task.directory, task.begin, task.end);
      }
    } catch (...) {
      node.failure = std::current_exception();
    }
  }

  void perform_as_peer(Task task) {
    Node& node = *task.node;
    try {
      const os::ActAs as_peer(tree_.peer);
      perform(std::move(task));
    } catch (...) {
      node.failure = std::current_exception();
    }
  }

  Directory open_child(Node& node, const Directory& parent, const std::string& name) {
    Directory child{os::Fd(::openat(parent.fd.get(), name.c_str(),
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)),
                    path_in(parent, name)};
    if (!child.fd)
      throw system_error(errno, fmt::format("list \"{}\" in {}", child.path, tree_.what));
    node.xattrs = read_xattrs(child.fd.get());
    return child;
  }

  void list(Node& node, Directory opened) {
    if (stop_.stop_requested()) throw Error(Errc::cancelled, "cancelled");
    opened.names = list_directory(tree_, opened.fd, opened.path);
    const auto directory = std::make_shared<const Directory>(std::move(opened));
    const std::size_t count = directory->names.size();
    call_helpers(count);
    if (count <= 2 * kPiece) return take(node, directory, 0, count);
    std::vector<Task> pieces;
    for (std::size_t begin = 0; begin < count; begin += kPiece) {
      node.below.push_back({0, std::make_unique<Node>(), true});
      pieces.push_back(
          {node.below.back().node.get(), directory, "", begin, std::min(begin + kPiece, count)});
    }
    tasks_->add(std::move(pieces));
  }

  void take(Node& node,
            const std::shared_ptr<const Directory>& directory,
            std::size_t begin,
            std::size_t end) {
    std::vector<Task> directories;
    node.entries.reserve(end - begin);
    try {
      for (std::size_t i = begin; i < end; ++i)
        take_one(node, directory, directory->names[i], directories);
    } catch (...) {
      node.failure = std::current_exception();
    }
    tasks_->add(std::move(directories));
  }

  void take_one(Node& node,
                const std::shared_ptr<const Directory>& directory,
                const os::DirEntry& child,
                std::vector<Task>& directories) const {
    std::string path = path_in(*directory, child.name);
    const Exclusion& exclusion = rules_.exclusion;
    const bool excluded = exclusion.excludes(path);
    const bool may_hold = child.type == DT_DIR;
    if (excluded && (!may_hold || exclusion.excludes_subtree(path))) {
      if (exclusion.left_out) exclusion.left_out(path, may_hold, may_hold);
      return;
    }
    const std::string_view relative =
        std::string_view(path).substr(rules_.top.empty() ? 0 : rules_.top.size() + 1);
    const bool selected = is_selected(relative);
    if (!selected && (!may_hold || !may_select_below(relative))) return;
    std::optional<TreeEntry> entry =
        stat_entry(tree_, directory->fd.get(), child.name, std::move(path));
    if (!entry) return;  // vanished
    const bool is_directory = S_ISDIR(entry->status.st_mode);
    entry->is_passage = is_directory && !selected;
    node.entries.push_back(std::move(*entry));
    if (!is_directory) return;
    node.below.push_back(
        {node.entries.size(), std::make_unique<Node>(), false, excluded || !selected});
    directories.push_back({node.below.back().node.get(), directory, child.name});
  }

  static std::string path_in(const Directory& directory, const std::string& name) {
    std::string path;
    path.reserve(directory.path.size() + 1 + name.size());
    if (!directory.path.empty()) path.append(directory.path) += '/';
    return path += name;
  }

  /// Whether COPY's own patterns select what is at `relative` to the source.
  [[nodiscard]] bool is_selected(std::string_view relative) const {
    return (!rules_.include || rules_.include->excludes(relative)) &&
           !rules_.filter.exclude.excludes(relative);
  }
  [[nodiscard]] bool may_select_below(std::string_view relative) const {
    const graph::PatternList& exclude = rules_.filter.exclude;
    if (exclude.excludes(relative)) return !exclude.excludes_subtree(relative);
    return rules_.include->may_match_below(relative);
  }

  /// Once there is enough to do. Who comes when all is done finds nothing, and uses nothing of this
  /// walk but the tasks.
  void call_helpers(std::size_t names) {
    const std::lock_guard lock(mutex_);
    seen_ += names;
    if (helpers_ == nullptr || are_called_ || seen_ < kWorthHelp) return;
    are_called_ = true;
    for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) {
      boost::asio::post(*helpers_, [this, tasks = tasks_] {
        tasks->take_part([this](Task task) { perform_as_peer(std::move(task)); });
      });
    }
  }

  /// In the order of a walk by one thread, up to the first failure.
  void append(Node& node, std::vector<TreeEntry>& entries) const {
    auto below = node.below.begin();
    for (std::size_t i = 0; i <= node.entries.size(); ++i) {
      for (; below != node.below.end() && below->place == i; ++below)
        append_below(*below, entries);
      if (i < node.entries.size()) entries.push_back(std::move(node.entries[i]));
    }
    if (node.failure) std::rethrow_exception(node.failure);
  }

  void append_below(Node::Below& below, std::vector<TreeEntry>& entries) const {
    const std::size_t before = entries.size();
    if (!below.is_piece) entries.back().xattrs = std::move(below.node->xattrs);
    append(*below.node, entries);
    below.node.reset();
    if (!below.needs_content || entries.size() != before) return;
    if (rules_.exclusion.left_out) rules_.exclusion.left_out(entries.back().path, true, false);
    entries.pop_back();
  }

  const SourceTree& tree_;
  const WalkRules& rules_;
  boost::asio::thread_pool* helpers_;
  const std::stop_token& stop_;
  std::shared_ptr<Tasks> tasks_ = std::make_shared<Tasks>();
  std::mutex mutex_;  ///< of what follows
  std::size_t seen_ = 0;
  bool are_called_ = false;
};

}  // namespace

std::optional<TreeEntry> stat_entry(const SourceTree& tree,
                                    int parent_fd,
                                    const std::string& name,
                                    std::string path) {
  TreeEntry entry{std::move(path), {}, {}, {}};
  if (::fstatat(parent_fd, name.c_str(), &entry.status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw system_error(errno, fmt::format("stat \"{}\" in {}", entry.path, tree.what));
  }
  if (S_ISLNK(entry.status.st_mode)) entry.link_target = os::read_link(parent_fd, name);
  return entry;
}

std::vector<os::DirEntry> list_directory(const SourceTree& tree,
                                         const os::Fd& directory,
                                         const std::string& path) {
  try {
    return os::read_entries(directory.get());
  } catch (Error& error) {
    error.add_context(fmt::format("list \"{}\" in {}", path, tree.what));
    throw;
  }
}

void walk_tree(const SourceTree& tree,
               os::Fd top,
               const WalkRules& rules,
               boost::asio::thread_pool* helpers,
               const std::stop_token& stop,
               std::vector<TreeEntry>& entries) {
  Walk(tree, rules, helpers, stop).run(std::move(top), entries);
}

}  // namespace kiln::ops
