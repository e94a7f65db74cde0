// The store's own copies of repositories: ROOT/git/ID, bare, one a remote.
//
// They only save transfers: whatever is wrong with one, it is thrown away and fetched anew. Who
// works with one holds its lock; pruning takes those that nobody holds (store/git_cache.h).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "builder/ops/executor.h"
#include "builder/ops/git_remote.h"
#include "builder/store/git_cache.h"

namespace kiln::ops {

class GitRepository {
 public:
  /// Locks the remote's repository, making it when it is missing. `sha256`: its object format.
  static boost::asio::awaitable<GitRepository> open(GitRemote remote,
                                                    bool sha256,
                                                    solver::Listener listener,
                                                    Workshop& workshop);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return held_.path(); }

  /// Makes `object`, a commit or an annotated tag, and all it consists of be here: nothing is
  /// fetched when it is, only itself where the server allows that, else everything.
  /// Throws Error{not_found} when the remote does not have it.
  boost::asio::awaitable<void> fetch(std::string object);

  /// False when something that was fetched is gone or damaged.
  boost::asio::awaitable<bool> is_whole();

  /// Throws everything away.
  boost::asio::awaitable<void> reset();

  /// Runs git in the repository, without speaking to the remote.
  boost::asio::awaitable<GitOutput> run(std::vector<std::string> args);

 private:
  GitRepository(GitRemote remote,
                bool sha256,
                store::HeldRepository held,
                solver::Listener listener,
                boost::asio::thread_pool& pool)
      : remote_(std::move(remote)),
        sha256_(sha256),
        held_(std::move(held)),
        listener_(std::move(listener)),
        pool_(pool) {}

  boost::asio::awaitable<void> init();
  boost::asio::awaitable<bool> has(std::string object);
  boost::asio::awaitable<GitOutput> fetch_with(std::vector<std::string> options,
                                               std::vector<std::string> refs);

  GitRemote remote_;
  bool sha256_;
  store::HeldRepository held_;
  solver::Listener listener_;
  boost::asio::thread_pool& pool_;
};

}  // namespace kiln::ops
