#include "builder/ops/git_checkout.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>

#include "builder/ops/new_layer.h"
#include "builder/ops/tree_times.h"
#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "builder/os/offload.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// Where the whole tree goes when only a part of it is asked for; gone at the end.
constexpr const char* kWholeTree = ".kiln-checkout";

std::string clean(std::string_view subdir) {
  std::string path;
  for (const std::string& part : os::split_path(subdir)) {
    if (part != "..") {
      path += (path.empty() ? "" : "/") + part;
    } else if (!path.empty()) {
      path.resize(path.contains('/') ? path.rfind('/') : 0);
    }
  }
  return path;
}

/// One check-out under way.
class Layout {
 public:
  Layout(Checkout checkout, GitRepository& repository, Workshop& workshop)
      : checkout_(std::move(checkout)),
        repository_(repository),
        workshop_(workshop),
        subdir_(clean(checkout_.source.subdir)),
        keeps_git_dir_(checkout_.source.keep_git_dir && subdir_.empty()) {}

  asio::awaitable<std::shared_ptr<snapshot::Workspace>> run() {
    auto prepare = [this] { make_directories(); };
    co_await os::offload(workshop_.pool, prepare);
    if (keeps_git_dir_) {
      co_await clone();
    } else {
      co_await read_tree();
    }
    if (!checkout_.source.skip_submodules) co_await update_submodules();
    const std::optional<std::int64_t> date = co_await commit_date();
    auto finish = [this, date] {
      if (!keeps_git_dir_ && !checkout_.source.skip_submodules) remove_git_files(tree_);
      if (!subdir_.empty()) keep_only_subdir();
      if (date) set_tree_times(workspace_->root(), *date);
    };
    co_await os::offload(workshop_.pool, finish);
    co_return std::move(workspace_);
  }

 private:
  void make_directories() {
    workspace_ = open_workspace(workshop_, "git", {});
    scratch_.emplace(workshop_.store.make_temp("git"));
    tree_ = workspace_->root();
    if (!subdir_.empty()) {
      tree_ /= kWholeTree;
      if (::mkdir(tree_.c_str(), 0755) != 0)
        throw system_error(errno, "make directory " + tree_.string());
    }
    git_dir_ = keeps_git_dir_ ? tree_ / ".git" : scratch_->path() / "repository";
  }

  /// Runs git on the tree and its repository.
  asio::awaitable<std::string> git(std::vector<std::string> args, bool reads_local_paths = false) {
    GitCommand command;
    command.args = std::move(args);
    command.git_dir = git_dir_;
    command.work_tree = tree_;
    command.reads_local_paths = reads_local_paths;
    co_return co_await must_git(std::move(command), checkout_.listener);
  }

  asio::awaitable<void> init(bool with_template) {
    std::vector<std::string> args{"init", "--quiet"};
    if (!with_template) args.emplace_back("--template=");
    if (checkout_.revision.object.size() == 64) args.emplace_back("--object-format=sha256");
    co_await git(std::move(args));
  }

  /// A repository of its own beside the tree, which borrows the objects.
  asio::awaitable<void> read_tree() {
    co_await init(false);
    auto borrow = [this] {
      os::write_file(git_dir_ / "objects" / "info" / "alternates",
                     (repository_.path() / "objects").string() + "\n");
    };
    std::filesystem::create_directories(git_dir_ / "objects" / "info");
    co_await os::offload(workshop_.pool, borrow);
    const std::string commit = checkout_.revision.object + "^{commit}";
    co_await git({"read-tree", "--reset", "-u", commit});
  }

  asio::awaitable<void> clone() {
    co_await init(true);
    co_await git({"remote", "add", "origin", "file://" + repository_.path().string()});
    const std::string& object = checkout_.revision.object;
    const std::string name = name_in_clone(checkout_.source, checkout_.revision);
    const std::string source = "refs/kiln/" + object;
    co_await git({"fetch", "--quiet", "--update-head-ok", "--depth=1", "--", "origin",
                  name.empty() ? source : source + ":" + name},
                 true);
    co_await git({"checkout", "--quiet", "FETCH_HEAD"});
    co_await git({"remote", "set-url", "origin", checkout_.remote.url});
    co_await git({"reflog", "expire", "--all", "--expire=now"});
    if (::unlink((git_dir_ / "FETCH_HEAD").c_str()) != 0 && errno != ENOENT)
      throw system_error(errno, "remove FETCH_HEAD");
  }

  /// What git leaves in each submodule's directory names our repository, which goes.
  static void remove_git_files(const std::filesystem::path& tree) {
    namespace fs = std::filesystem;
    std::vector<fs::path> found;
    // Links are not followed; git lets nobody track a file of this name.
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(tree)) {
      if (entry.path().filename() == ".git" &&
          entry.symlink_status().type() == fs::file_type::regular)
        found.push_back(entry.path());
    }
    for (const fs::path& file : found)
      fs::remove(file);
  }

  asio::awaitable<void> update_submodules() {
    GitCommand command = checkout_.remote.command(
        {"submodule", "update", "--init", "--recursive", "--depth=1", "--progress"});
    // What relative URLs of submodules are relative to.
    command.config.emplace_back("remote.origin.url", checkout_.remote.url);
    command.git_dir = git_dir_;
    command.work_tree = tree_;
    const GitOutput output = co_await run_git(std::move(command), checkout_.listener);
    if (output.status.ok()) co_return;
    Error failure = checkout_.remote.failure(output);
    failure.add_context("submodules");
    throw failure;
  }

  asio::awaitable<std::optional<std::int64_t>> commit_date() {
    if (!checkout_.source.commit_times) co_return std::nullopt;
    const std::string text =
        co_await git({"log", "-1", "--format=%ct", checkout_.revision.object + "^{commit}"});
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc())
      throw Error(Errc::corrupt, "{}: the date of its commit is \"{}\"", checkout_.remote.url,
                  text);
    co_return seconds;
  }

  /// Moves what is in the subdirectory to the top; links on its way are not followed.
  void keep_only_subdir() {
    const os::Dir tree = os::Dir::open(tree_);
    const os::Dir top = os::Dir::open(workspace_->root());
    const std::optional<os::Fd> found =
        tree.try_open_at(subdir_, O_RDONLY | O_DIRECTORY, os::Links::refuse);
    if (!found) {
      throw Error(Errc::not_found, "{}: no directory \"{}\" in commit {}", checkout_.remote.url,
                  checkout_.source.subdir, checkout_.revision.object);
    }
    for (const os::DirEntry& entry : os::read_entries(found->get())) {
      if (::renameat(found->get(), entry.name.c_str(), top.fd(), entry.name.c_str()) != 0)
        throw system_error(errno, "move " + entry.name);
    }
    os::remove_tree(tree_);
  }

  Checkout checkout_;
  GitRepository& repository_;
  Workshop& workshop_;
  std::string subdir_;
  bool keeps_git_dir_;
  std::shared_ptr<snapshot::Workspace> workspace_;
  std::optional<os::TempDir> scratch_;
  std::filesystem::path tree_;
  std::filesystem::path git_dir_;
};

}  // namespace

asio::awaitable<std::shared_ptr<snapshot::Workspace>> check_out(Checkout checkout,
                                                                GitRepository& repository,
                                                                Workshop& workshop) {
  Layout layout(std::move(checkout), repository, workshop);
  co_return co_await layout.run();
}

}  // namespace kiln::ops
