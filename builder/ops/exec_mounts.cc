#include "builder/ops/exec_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <map>

#include "builder/ops/copy_tree.h"
#include "builder/ops/new_layer.h"
#include "builder/os/cancellable.h"

namespace kiln::ops {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

using Paths = std::vector<fs::path>;

constexpr const char* kFrom = "the stage or image that from= names";

/// What a directory itself has, which copying its contents does not give it.
void give_metadata(const fs::path& directory, const TreeEntry& entry, bool keep_owner) {
  if (!S_ISDIR(entry.status.st_mode)) return;
  const os::Fd fd = os::open_file(directory, O_RDONLY | O_DIRECTORY);
  const struct stat& status = entry.status;
  if (keep_owner && ::fchown(fd.get(), status.st_uid, status.st_gid) != 0)
    throw system_error(errno, "chown " + directory.string());
  // source: BuildKit: the root of a context is no file of the client's
  const bool is_context_root = entry.path.empty() && !keep_owner;
  if (::fchmod(fd.get(), is_context_root ? 0755 : status.st_mode & 07777U) != 0)
    throw system_error(errno, "chmod " + directory.string());
  const timespec times[2] = {status.st_mtim, status.st_mtim};
  if (!is_context_root && ::futimens(fd.get(), times) != 0)
    throw system_error(errno, "set times of " + directory.string());
}

/// Copies one selected file or directory to DIRECTORY/content. Blocks.
void copy_content(const SourceTree& tree,
                  const SelectedSource& source,
                  const fs::path& directory,
                  bool keep_owner,
                  std::stop_token stop) {
  const os::Dir root = os::Dir::open(directory);
  Destination destination(root, 0);
  CopyOptions options;
  options.keep_owner = keep_owner;
  copy_tree(tree, source, destination, "/content", options, std::move(stop));
  destination.restore_times();
  give_metadata(directory / "content", source.entries.front(), keep_owner);
}

/// Where a client's files are while a step has them; writable, since nobody else has them.
std::shared_ptr<const os::TempDir> copy_context(const ContextSelection& selection,
                                                const std::string& source,
                                                Workshop& workshop,
                                                std::stop_token stop) {
  if (selection.sources.empty()) {
    throw Error(Errc::not_found, "\"{}\": not found in {}", source, selection.directory->what);
  }
  auto made = std::make_unique<os::TempDir>(workshop.store.make_temp("context"));
  copy_content(selection.tree(), selection.sources.front(), made->path(), false, std::move(stop));
  return {made.release(), [&pool = workshop.pool](const os::TempDir* directory) {
            asio::post(pool, [owned = std::unique_ptr<const os::TempDir>(directory)] {});
          }};
}

/// The place of `source` in a mounted root, its links resolved inside it.
std::string place_in(const fs::path& mounted, const std::string& source) {
  const os::Dir root = os::Dir::open(mounted);
  const auto found = root.try_open_at(source, O_PATH, os::Links::in_root);
  if (!found) throw Error(Errc::not_found, "\"{}\": not found in {}", source, kFrom);
  return os::read_link(AT_FDCWD, fmt::format("/proc/self/fd/{}", found->get()));
}

/// The id as the user wrote it: the Dockerfile's is behind the namespace and a slash.
std::string shown_id(const std::string& id) {
  return id.starts_with('/') ? id.substr(1) : id;
}

/// Gives a cache's directory what the mount asks for; the mode whatever the daemon's umask is.
void own_cache(const graph::CacheMount& mount, const fs::path& content) {
  if (::chown(content.c_str(), mount.uid, mount.gid) != 0 ||
      ::chmod(content.c_str(), mount.mode) != 0)
    throw system_error(errno, "set owner and mode of the cache " + content.string());
}

/// A new cache: what a stage or image has at `source`, or an empty directory. Blocks.
void fill_cache(const graph::CacheMount& mount,
                const std::optional<Paths>& lowers,
                Workshop& workshop,
                const fs::path& content,
                std::stop_token stop) {
  if (!lowers) {
    if (::mkdir(content.c_str(), 0700) != 0)
      throw system_error(errno, "make the cache " + content.string());
    own_cache(mount, content);
    return;
  }
  const snapshot::View view(workshop.store.make_temp("view"), *lowers);
  const os::Dir root = os::Dir::open(view.root());
  const SourceTree tree{&root, {}, kFrom};
  const Exclusion none{[](std::string_view) { return false; },
                       [](std::string_view) { return false; }};
  SourceFilter filter;
  filter.is_literal = true;
  const auto selected = select_source(tree, mount.source.substr(1), filter, none, stop);
  if (selected.empty())
    throw Error(Errc::not_found, "\"{}\": not found in {}", mount.source, kFrom);
  copy_content(tree, selected.front(), content.parent_path(), true, std::move(stop));
}

/// source: BuildKit solver/llbsolver/mounts: a cache is known by its id and what it is made from.
std::string identity_of(const graph::CacheMount& mount, const std::vector<FileInput>& inputs) {
  std::string identity = fmt::format("{} {}", mount.id.size(), mount.id);
  if (!mount.input)
    return identity + fmt::format(" empty {:o} {}:{}", mount.mode, mount.uid, mount.gid);
  for (const store::LayerId layer : inputs.at(*mount.input).stack)
    identity += fmt::format(" {}", static_cast<std::int64_t>(layer));
  return identity + " " + mount.source;
}

/// Of inputs, caches and tmpfs; exec_secrets.h has those of secrets and agents.
class Preparation {
 public:
  Preparation(const graph::ExecOp& op,
              const std::vector<FileInput>& inputs,
              registry::CredentialsProvider credentials,
              solver::Listener listener,
              Workshop& workshop,
              const FailedStep* failed)
      : op_(op),
        inputs_(inputs),
        credentials_(std::move(credentials)),
        listener_(std::move(listener)),
        workshop_(workshop),
        failed_(failed) {
    ready_.resize(op.mounts.size());
  }

  asio::awaitable<ExecMounts> run() {
    // In the order of their identities: two steps that want the same locked caches would wait for
    // each other for ever if each had one of them.
    std::multimap<std::string, std::size_t> caches;
    for (std::size_t i = 0; i < op_.mounts.size(); ++i) {
      if (const auto* bind = std::get_if<graph::BindMount>(&op_.mounts[i])) {
        ready_[i] = co_await bind_input(*bind, i);
      } else if (const auto* tmpfs = std::get_if<graph::TmpfsMount>(&op_.mounts[i])) {
        ready_[i] = sandbox::TmpfsMount{tmpfs->target, tmpfs->size_bytes, tmpfs->read_only};
      } else if (const auto* cache = std::get_if<graph::CacheMount>(&op_.mounts[i])) {
        caches.emplace(identity_of(*cache, inputs_), i);
      }
    }
    // Mounts of one cache are one lease, as strict as the strictest asks for.
    std::map<std::string, graph::CacheMount::Sharing> strictest;
    for (const auto& [identity, i] : caches) {
      auto& sharing = strictest[identity];
      sharing = std::max(sharing, std::get<graph::CacheMount>(op_.mounts[i]).sharing);
    }
    std::map<std::string, std::shared_ptr<const CacheMounts::Lease>> leases;
    for (const auto& [identity, i] : caches) {
      graph::CacheMount cache = std::get<graph::CacheMount>(op_.mounts[i]);
      cache.sharing = strictest[identity];
      if (!leases.contains(identity)) leases[identity] = co_await lease_cache(cache, identity);
      ready_[i] = sandbox::BindMount{leases[identity]->content(), cache.target, !cache.read_only};
    }
    for (std::optional<sandbox::Mount>& mount : ready_) {
      if (mount) result_.mounts.push_back(std::move(*mount));
    }
    for (auto& [identity, lease] : leases)
      result_.held.push_back(std::move(lease));
    co_return std::move(result_);
  }

 private:
  /// Of a failed step; each run has its own changes.
  asio::awaitable<sandbox::Mount> bind_copy(graph::BindMount bind, fs::path copy) {
    auto mount = [&] { return open_workspace(workshop_, "bind", {copy}); };
    auto workspace = co_await os::offload(workshop_.pool, mount);
    const fs::path content = workspace->root() / "content";
    result_.held.push_back(std::move(workspace));
    co_return sandbox::BindMount{content, bind.target, bind.writable};
  }

  asio::awaitable<sandbox::Mount> bind_input(graph::BindMount bind, std::size_t index) {
    std::error_code error;
    if (failed_ && fs::exists(failed_->copy(index), error))
      co_return co_await bind_copy(bind, failed_->copy(index));
    const FileInput& input = inputs_.at(bind.input);
    if (input.selection) {
      auto copy = [&](std::stop_token stop) {
        return copy_context(*input.selection, bind.source, workshop_, std::move(stop));
      };
      auto directory = co_await os::offload_cancellable(workshop_.pool, copy);
      result_.copies[index] = directory;
      co_return sandbox::BindMount{directory->path() / "content", bind.target, bind.writable};
    }
    const Paths lowers = co_await workshop_.layers.unpacked(input.stack, credentials_, listener_);
    auto mount = [&] {
      auto workspace = open_workspace(workshop_, "bind", lowers);
      std::string place = place_in(workspace->root(), bind.source);
      return std::pair(std::move(workspace), std::move(place));
    };
    auto [workspace, place] = co_await os::offload(workshop_.pool, mount);
    result_.held.push_back(std::move(workspace));
    co_return sandbox::BindMount{place, bind.target, bind.writable};
  }

  asio::awaitable<std::shared_ptr<const CacheMounts::Lease>> lease_cache(graph::CacheMount cache,
                                                                         std::string identity) {
    std::optional<Paths> lowers;
    if (cache.input) {
      lowers = co_await workshop_.layers.unpacked(inputs_.at(*cache.input).stack, credentials_,
                                                  listener_);
    }
    CacheMounts::Wish wish{shown_id(cache.id), std::move(identity), cache.sharing, {}};
    wish.fill = [cache, lowers, &workshop = workshop_](const fs::path& content,
                                                       std::stop_token stop) {
      fill_cache(cache, lowers, workshop, content, std::move(stop));
    };
    if (!lowers) wish.take_over = [cache](const fs::path& content) { own_cache(cache, content); };
    co_return co_await workshop_.cache_mounts.acquire(std::move(wish));
  }

  const graph::ExecOp& op_;
  const std::vector<FileInput>& inputs_;
  registry::CredentialsProvider credentials_;
  solver::Listener listener_;
  Workshop& workshop_;
  const FailedStep* failed_;                          ///< may be nullptr
  std::vector<std::optional<sandbox::Mount>> ready_;  ///< in the order of the step's
  ExecMounts result_;
};

}  // namespace

asio::awaitable<ExecMounts> prepare_mounts(const graph::ExecOp& op,
                                           const std::vector<FileInput>& inputs,
                                           registry::CredentialsProvider credentials,
                                           solver::Listener listener,
                                           Workshop& workshop,
                                           const FailedStep* failed) {
  Preparation preparation(op, inputs, std::move(credentials), std::move(listener), workshop,
                          failed);
  co_return co_await preparation.run();
}

std::vector<std::string> mount_points(const graph::ExecOp& op) {
  std::vector<std::string> paths{"/etc/hosts", "/etc/resolv.conf"};
  for (const graph::ExecMount& mount : op.mounts) {
    std::string target = std::visit([](const auto& one) { return one.target; }, mount);
    if (!target.empty()) paths.push_back(std::move(target));  // a secret may be a variable alone
  }
  return paths;
}

}  // namespace kiln::ops
