#include "builder/ops/git_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "builder/ops/git_checkout.h"
#include "builder/ops/git_repository.h"
#include "builder/ops/kept_source.h"
#include "builder/ops/new_layer.h"
#include "builder/ops/remote_sources.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kSha1Digits = 40;
constexpr std::size_t kSha256Digits = 64;

bool is_commit(std::string_view text) {
  return (text.size() == kSha1Digits || text.size() == kSha256Digits) &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string without_prefix(const std::string& text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

/// Lines "object<TAB>name" of ls-remote, by name.
std::map<std::string, std::string> parse_refs(std::string_view text) {
  std::map<std::string, std::string> refs;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || !is_commit(line.substr(0, tab))) continue;
    refs.emplace(line.substr(tab + 1), line.substr(0, tab));
  }
  return refs;
}

/// "ref: refs/heads/main<TAB>HEAD" → "main".
std::string default_branch(std::string_view text) {
  static constexpr std::string_view kBegin = "ref: refs/heads/";
  const std::size_t at = text.find(kBegin);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + kBegin.size());
  return std::string(rest.substr(0, rest.find_first_of("\t\n ")));
}

/// An object of the remote, what it is called there, and the commit of an annotated tag.
struct Found {
  std::string object;
  std::string ref;
  std::string commit;
};

/// A branch is preferred to a tag of its name, as git-checkout does.
std::optional<Found> choose(const std::map<std::string, std::string>& refs,
                            const std::string& ref) {
  const auto find = [&refs](const std::string& name) -> std::string {
    const auto found = refs.find(name);
    return found == refs.end() ? std::string() : found->second;
  };
  const std::string branch = "refs/heads/" + without_prefix(ref, "refs/heads/");
  const std::string tag = "refs/tags/" + without_prefix(ref, "refs/tags/");
  const std::string any = "refs/" + without_prefix(ref, "refs/");
  for (const std::string& name : {any, branch}) {
    if (name != tag && !find(name).empty()) return Found{find(name), name, ""};
  }
  if (!find(tag).empty()) return Found{find(tag), tag, find(tag + "^{}")};
  return std::nullopt;
}

asio::awaitable<std::string> ask(const GitRemote& remote,
                                 std::vector<std::string> patterns,
                                 bool symref,
                                 solver::Listener listener) {
  std::vector<std::string> args{"ls-remote"};
  if (symref) args.emplace_back("--symref");
  args.insert(args.end(), {"--", remote.url});
  args.insert(args.end(), patterns.begin(), patterns.end());
  GitOutput output = co_await run_git(remote.command(std::move(args)), listener);
  if (!output.status.ok()) throw remote.failure(output);
  co_return std::move(output.out);
}

asio::awaitable<Found> find_ref(const GitRemote& remote,
                                std::string ref,
                                solver::Listener listener) {
  if (ref.empty()) {
    ref = default_branch(co_await ask(remote, {"HEAD"}, true, listener));
    if (ref.empty())
      throw Error(Errc::not_found, "{}: the repository has no default branch; name one",
                  remote.url);
  }
  const auto refs = parse_refs(co_await ask(remote, {ref, ref + "^{}"}, false, listener));
  std::optional<Found> found = choose(refs, ref);
  if (!found) {
    throw Error(Errc::not_found,
                "{}: the repository does not contain the ref \"{}\"; a commit is written with all "
                "its digits",
                remote.url, ref);
  }
  co_return std::move(*found);
}

void check_object(const GitRemote& remote, const graph::GitSource& source, const Found& found) {
  const std::string& wanted = source.checksum;
  if (wanted.empty() || found.object.starts_with(wanted) || found.commit.starts_with(wanted))
    return;
  throw Error(Errc::corrupt, "{}: expected checksum to match {}, got {}{}", remote.url, wanted,
              found.object, found.commit.empty() ? "" : " or " + found.commit);
}

/// What the tree of a revision depends on; also what a layer of it is kept under.
std::vector<graph::KeyPart> identity(const graph::GitSource& source, const GitRevision& revision) {
  std::vector<graph::KeyPart> parts{{"commit", revision.object}};
  if (source.keep_git_dir) {
    parts.push_back({"ref", name_in_clone(source, revision)});
    parts.push_back({"remote", sha256(source.remote).str()});  // .git names it
  }
  return parts;
}

Digest kept_key(const graph::GitSource& source, const GitRevision& revision) {
  std::vector<graph::KeyPart> parts{{"kept", "git tree"},
                                    {"subdir", source.subdir},
                                    {"keep git dir", source.keep_git_dir ? "true" : "false"},
                                    {"skip submodules", source.skip_submodules ? "true" : "false"},
                                    {"commit times", source.commit_times ? "true" : "false"}};
  for (graph::KeyPart& part : identity(source, revision))
    parts.push_back(std::move(part));
  return graph::hash_parts(parts);
}

/// One tree being fetched; lives as long as anybody waits for it.
struct Load {
  graph::GitSource source;
  GitRevision revision;
  GitRemote remote;
  solver::Listener listener;
  Workshop& workshop;
};

/// The revision checked out; null when the store's copy of the repository is damaged.
asio::awaitable<std::shared_ptr<snapshot::Workspace>> try_check_out(const Load& load,
                                                                    GitRepository& repository) {
  std::exception_ptr failure;
  bool local = true;  // the cause may be here
  try {
    co_await repository.fetch(load.revision.object);
    co_return co_await check_out({load.source, load.revision, load.remote, load.listener},
                                 repository, load.workshop);
  } catch (const Error& error) {
    failure = std::current_exception();
    local = error.code() != Errc::denied && error.code() != Errc::not_found &&
            error.code() != Errc::cancelled;
  }
  // Looked at only after a failure: reading all of a large repository takes its time.
  if (local && !co_await repository.is_whole()) co_return nullptr;
  std::rethrow_exception(failure);
}

asio::awaitable<solver::Stack> run_load(std::shared_ptr<const Load> load) {
  Workshop& workshop = load->workshop;
  const Digest key = kept_key(load->source, load->revision);
  if (auto known = co_await find_kept(key, workshop)) co_return known->stack;
  const std::string& object = load->revision.object;
  const os::Limiter::Slot slot = co_await workshop.remote.repository(load->remote.url).acquire();
  // Somebody with other credentials may have had the repository until now.
  if (auto known = co_await find_kept(key, workshop)) co_return known->stack;
  GitRepository repository = co_await GitRepository::open(
      load->remote, object.size() == kSha256Digits, load->listener, workshop);
  std::shared_ptr<snapshot::Workspace> workspace = co_await try_check_out(*load, repository);
  if (!workspace) {
    co_await repository.reset();
    workspace = co_await try_check_out(*load, repository);
    if (!workspace) throw Error(Errc::corrupt, "{}: its copy is damaged again", load->remote.url);
  }
  const solver::Stack stack =
      co_await add_layer(workshop, {}, std::move(workspace), load->listener);
  co_await keep(key, fmt::format("{} {}", load->remote.url, object), {stack, {}}, workshop);
  co_return stack;
}

}  // namespace

std::string name_in_clone(const graph::GitSource& source, const GitRevision& revision) {
  if (revision.ref.empty()) return {};
  if (source.ref.starts_with("refs/")) return source.ref;
  if (source.fetch_by_commit) return revision.ref;
  // BuildKit keeps what it fetched by a short name among its tags, branches too.
  const std::string& ref = revision.ref;
  return "refs/tags/" + (source.ref.empty() ? ref.substr(ref.rfind('/') + 1) : source.ref);
}

asio::awaitable<GitRevision> resolve_git(graph::GitSource source,
                                         GitAccess access,
                                         solver::Listener listener) {
  const GitRemote remote = co_await open_remote(source.remote, std::move(access));
  if (source.ref.starts_with('-'))
    throw Error(Errc::invalid_input, "{}: invalid git ref \"{}\"", remote.url, source.ref);
  if (is_commit(source.ref)) {
    check_object(remote, source, {source.ref, "", ""});
    co_return GitRevision{source.ref, ""};
  }
  if (source.fetch_by_commit) {
    if (!is_commit(source.checksum)) {
      throw Error(Errc::invalid_input,
                  "{}: fetch-by-commit requires a whole commit as its checksum, got \"{}\"",
                  remote.url, source.checksum);
    }
    if (source.ref.empty() || source.ref.starts_with("refs/"))
      co_return GitRevision{source.checksum, source.ref};
    co_return GitRevision{source.checksum, "refs/heads/" + source.ref};
  }
  const Found found = co_await find_ref(remote, source.ref, listener);
  check_object(remote, source, found);
  // A tag is the same as its commit, unless .git is there to tell.
  const bool peel = !found.commit.empty() && !source.keep_git_dir;
  co_return GitRevision{peel ? found.commit : found.object, found.ref};
}

std::vector<graph::KeyPart> git_parts(const graph::GitSource& source, const GitRevision& revision) {
  return identity(source, revision);
}

asio::awaitable<solver::Stack> load_git(graph::GitSource source,
                                        GitRevision revision,
                                        GitAccess access,
                                        solver::Listener listener,
                                        Workshop& workshop) {
  GitRemote remote = co_await open_remote(source.remote, std::move(access));
  // What one may fetch is not for another who may not.
  std::string key = kept_key(source, revision).str() + " " + remote.url;
  for (const auto& [name, value] : remote.config)
    key += " " + sha256(name + value).str();
  key += " " + remote.ssh_agent.string();
  const auto load = std::make_shared<const Load>(
      Load{std::move(source), std::move(revision), std::move(remote), listener, workshop});
  co_return co_await workshop.remote.git_trees.run(std::move(key),
                                                   [load] { return run_load(load); });
}

asio::awaitable<std::int64_t> git_commit_time(graph::GitSource source,
                                              GitRevision revision,
                                              GitAccess access,
                                              solver::Listener listener,
                                              Workshop& workshop) {
  const GitRemote remote = co_await open_remote(source.remote, std::move(access));
  const os::Limiter::Slot slot = co_await workshop.remote.repository(remote.url).acquire();
  GitRepository repository = co_await GitRepository::open(
      remote, revision.object.size() == kSha256Digits, listener, workshop);
  co_await repository.fetch(revision.object);
  const GitOutput output =
      co_await repository.run({"log", "-1", "--format=%ct", revision.object + "^{commit}"});
  std::int64_t seconds = 0;
  const auto [end, error] =
      std::from_chars(output.out.data(), output.out.data() + output.out.size(), seconds);
  if (!output.status.ok() || error != std::errc())
    throw Error(Errc::corrupt, "{}: no date of commit {}", remote.url, revision.object);
  co_return seconds;
}

}  // namespace kiln::ops
