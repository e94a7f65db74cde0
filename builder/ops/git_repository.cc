#include "builder/ops/git_repository.h"

#include <fmt/format.h>

#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "builder/os/offload.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// Servers that speak no shallow protocol, and those that give out only what refs point to.
bool refuses_depth(const GitOutput& output) {
  return output.err.contains("shallow") || output.err.contains("--depth");
}
bool refuses_objects(const GitOutput& output) {
  return output.err.contains("not our ref") || output.err.contains("unadvertised object") ||
         output.err.contains("couldn't find remote ref") || output.err.contains("bad object");
}

}  // namespace

asio::awaitable<GitRepository> GitRepository::open(GitRemote remote,
                                                   bool sha256,
                                                   solver::Listener listener,
                                                   Workshop& workshop) {
  const std::string name = fmt::format("{} {}", sha256 ? "sha256" : "sha1", remote.url);
  auto hold = [&] { return store::HeldRepository(workshop.store, name); };
  GitRepository repository(std::move(remote), sha256, co_await os::offload(workshop.pool, hold),
                           std::move(listener), workshop.pool);
  co_await repository.init();
  co_return repository;
}

asio::awaitable<void> GitRepository::init() {
  // Harmless for one that is there, and makes one whole that a crash left half made.
  std::vector<std::string> args{"init", "--quiet", "--bare", "--template="};
  if (sha256_) args.emplace_back("--object-format=sha256");
  args.push_back(path());
  GitCommand command;
  command.args = std::move(args);
  const GitOutput made = co_await run_git(std::move(command), listener_);
  if (!made.status.ok()) {
    throw Error(Errc::internal, "make the repository {}: {}", path().string(), made.cause());
  }
}

asio::awaitable<void> GitRepository::reset() {
  auto empty = [this] {
    const os::Dir directory = os::Dir::open(path());
    for (const os::DirEntry& entry : directory.entries())
      os::remove_tree_at(directory.fd(), entry.name);
  };
  co_await os::offload(pool_, empty);
  co_await init();
}

asio::awaitable<bool> GitRepository::is_whole() {
  const GitOutput walked =
      co_await run({"fsck", "--connectivity-only", "--no-dangling", "--no-progress"});
  co_return walked.status.ok();
}

asio::awaitable<GitOutput> GitRepository::run(std::vector<std::string> args) {
  GitCommand command;
  command.args = std::move(args);
  command.git_dir = path();
  co_return co_await run_git(std::move(command), listener_);
}

asio::awaitable<bool> GitRepository::has(std::string object) {
  // A ref is set after the whole of a fetch: an object without one may lack what it refers to.
  const GitOutput found = co_await run({"show-ref", "--verify", "--quiet", "refs/kiln/" + object});
  co_return found.status.ok();
}

asio::awaitable<GitOutput> GitRepository::fetch_with(std::vector<std::string> options,
                                                     std::vector<std::string> refs) {
  std::vector<std::string> args{"fetch", "--progress", "--no-write-fetch-head", "--force"};
  args.insert(args.end(), options.begin(), options.end());
  args.insert(args.end(), {"--", remote_.url});
  args.insert(args.end(), refs.begin(), refs.end());
  GitCommand command = remote_.command(std::move(args));
  command.git_dir = path();
  co_return co_await run_git(std::move(command), listener_);
}

asio::awaitable<void> GitRepository::fetch(std::string object) {
  if (co_await has(object)) co_return;
  const std::string itself = fmt::format("{0}:refs/kiln/{0}", object);
  GitOutput output = co_await fetch_with({"--depth=1", "--no-tags"}, {itself});
  if (!output.status.ok() && refuses_depth(output))
    output = co_await fetch_with({"--no-tags"}, {itself});
  if (!output.status.ok() && refuses_objects(output)) {
    // A branch "a" that has become "a/b" would be in its way.
    std::vector<std::string> options{"--no-tags", "--prune"};
    const bool shallow = std::filesystem::exists(path() / "shallow");
    if (shallow) options.emplace_back("--unshallow");
    output = co_await fetch_with(
        std::move(options), {"+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"});
    if (output.status.ok()) {
      const GitOutput named = co_await run({"update-ref", "refs/kiln/" + object, object});
      if (!named.status.ok()) {
        throw Error(Errc::not_found, "{}: no branch or tag has the commit {}", remote_.url, object);
      }
    }
  }
  if (!output.status.ok()) throw remote_.failure(output);
}

}  // namespace kiln::ops
