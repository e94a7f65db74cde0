#include "builder/build_context.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cctype>
#include <cerrno>

#include "builder/context_stream.h"
#include "builder/dockerfile/dockerignore.h"
#include "builder/dockerfile/go_text.h"
#include "builder/os/cancellable.h"
#include "builder/remote_context.h"
#include "proto/shown_url.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxIgnoreBytes = 4 * 1024 * 1024;
constexpr const char* kIgnoreName = ".dockerignore";

os::Fd take_descriptor(Caller& caller, std::string_view role) {
  const auto found = caller.descriptors.find(std::string(role));
  return found == caller.descriptors.end() ? os::Fd() : std::move(found->second);
}

struct stat stat_of(const os::Fd& file, const std::string& name) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) throw system_error(errno, "stat " + name);
  return status;
}

/// The whole of a regular file: a pipe would hold up the pool until somebody writes to it.
std::string read_regular(const os::Fd& file, const std::string& name, std::size_t limit_bytes) {
  const struct stat status = stat_of(file, name);
  if (S_ISDIR(status.st_mode)) throw Error(Errc::invalid_input, "{}: it is a directory", name);
  if (!S_ISREG(status.st_mode)) throw Error(Errc::invalid_input, "{}: not a regular file", name);
  return os::read_all(file.get(), name, limit_bytes);
}

/// Lives until the last user of it is gone; removed on the pool, where much may take its time.
std::shared_ptr<const void> keep(os::TempDir directory, asio::thread_pool& pool) {
  return {new os::TempDir(std::move(directory)), [&pool](os::TempDir* one) {
            asio::post(pool, [owned = std::unique_ptr<os::TempDir>(one)] {});
          }};
}

bool keeps_git_dir(const BuildRequest& request) {
  const auto given = request.build_args.find("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
  return given != request.build_args.end() && dockerfile::parse_bool(given->second).value_or(false);
}

std::optional<std::string> try_read_file(const ops::ClientDirectory& context,
                                         const std::string& path,
                                         std::size_t limit_bytes) {
  const os::Links links = context.is_ours ? os::Links::in_root : os::Links::beneath;
  const os::ActAs as_peer(context.peer);
  const auto file = context.root.try_open_at(path, O_RDONLY | O_NONBLOCK, links);
  if (!file) return std::nullopt;
  return read_regular(*file, path, limit_bytes);
}

bool is_dockerfile_like(std::string_view name) {
  std::string folded(name);
  std::ranges::transform(folded, folded.begin(), [](unsigned char c) { return std::tolower(c); });
  return folded.starts_with("dockerfile") || folded.starts_with("containerfile") ||
         folded.ends_with(".dockerfile");
}

/// "; it has app.Dockerfile: name it with --file", or what there is instead.
std::string what_there_is(const ops::ClientDirectory& context) {
  std::vector<std::string> similar;
  const std::vector<os::DirEntry> entries = context.root.open_dir("", os::Links::beneath).entries();
  if (entries.empty()) return "; the context is empty";
  for (const os::DirEntry& entry : entries) {
    if (is_dockerfile_like(entry.name)) similar.push_back(entry.name);
  }
  if (!similar.empty())
    return fmt::format("; it has {}: name it with --file", fmt::join(similar, ", "));
  if (entries.size() == 1 && entries.front().type == DT_DIR)
    return fmt::format("; all of it is in \"{0}\": is it --file {0}/Dockerfile?",
                       entries.front().name);
  return "; name another file with --file";
}

BuildFile find_dockerfile(const BuildContext& context, const std::string& name) {
  const std::string wanted = name.empty() ? "Dockerfile" : name;
  std::vector<std::string> names{wanted};
  const std::size_t slash = wanted.rfind('/');
  const std::size_t base = slash == std::string::npos ? 0 : slash + 1;
  if (wanted.substr(base) == "Dockerfile") names.push_back(wanted.substr(0, base) + "dockerfile");
  return within("failed to read dockerfile", [&]() -> BuildFile {
    for (const std::string& one : names) {
      if (auto text = try_read_file(*context.directory, one, kMaxDockerfileBytes))
        return {one, std::move(*text)};
    }
    throw Error(Errc::not_found, "{} has no \"{}\"{}", context.directory->what,
                fmt::join(names, "\" or \""), what_there_is(*context.directory));
  });
}

}  // namespace

asio::awaitable<BuildContext> open_stream(os::Fd stream, std::string what, Services::Parts& parts) {
  // Whoever writes into a pipe may take for ever: that must not cost a thread of the pool.
  asio::thread_pool reader(1);
  auto read = [&](std::stop_token stop) {
    return read_context_stream(std::move(stream), what, parts.store, std::move(stop));
  };
  StreamedContext streamed = co_await os::offload_cancellable(reader, read);
  ops::ClientDirectory directory{os::Dir::open(streamed.tree),
                                 {},
                                 "the build context of " + what,
                                 true,
                                 keep(std::move(streamed.scratch), parts.pool)};
  co_return BuildContext{std::make_shared<const ops::ClientDirectory>(std::move(directory)),
                         BuildContext::Kind::stream, std::move(streamed.dockerfile), std::nullopt};
}

asio::awaitable<BuildContext> open_context(const BuildRequest& request,
                                           Caller& caller,
                                           ops::ClientSecrets secrets,
                                           solver::Listener listener,
                                           Services::Parts& parts) {
  const std::string shown = shown_url(request.context_name);
  os::Fd passed = take_descriptor(caller, role::kContext);
  if (!passed) {
    auto remote = within("the build context " + shown, [&] {
      return dockerfile::parse_remote_context(request.context_name, keeps_git_dir(request));
    });
    if (!remote) {
      throw Error(Errc::invalid_input,
                  "the build context \"{}\" is no URL, and the request has no descriptor of it",
                  shown);
    }
    ops::ClientInputs client{{}, caller.credentials, std::move(secrets)};
    co_return co_await open_remote_context(std::move(*remote), shown, std::move(client), listener,
                                           parts);
  }
  const mode_t mode = stat_of(passed, shown).st_mode;
  if (!S_ISDIR(mode)) co_return co_await open_stream(std::move(passed), "stdin", parts);
  co_return BuildContext{std::make_shared<const ops::ClientDirectory>(
                             os::Dir(std::move(passed)), caller.peer, "the build context " + shown),
                         BuildContext::Kind::local, std::nullopt, std::nullopt};
}

BuildFile read_dockerfile(const BuildContext& context, const std::string& name, Caller& caller) {
  const os::Fd passed = take_descriptor(caller, role::kDockerfile);
  // Of a URL that gives a Dockerfile, as BuildKit has it, a --file in the context is forgotten.
  const bool is_stream = context.kind == BuildContext::Kind::stream;
  if (context.dockerfile && is_stream && (passed || !name.empty())) {
    throw Error(Errc::invalid_input,
                "what is given as the context is a Dockerfile, and --file names another: give one");
  }
  if (passed) return {name, read_regular(passed, name, kMaxDockerfileBytes)};
  if (context.dockerfile) return {is_stream ? "-" : dockerfile::kContextFile, *context.dockerfile};
  if (context.kind == BuildContext::Kind::local)
    throw Error(Errc::invalid_input, "the request has no Dockerfile descriptor");
  return find_dockerfile(context, name);
}

std::vector<std::string> read_own_ignore(const ops::ClientDirectory& directory) {
  const auto text = try_read_file(directory, kIgnoreName, kMaxIgnoreBytes);
  return text ? dockerfile::parse_ignore_file(kIgnoreName, *text) : std::vector<std::string>{};
}

std::optional<BuildFile> find_ignore(const BuildContext& context,
                                     const std::string& dockerfile_name,
                                     Caller& caller) {
  const os::Fd beside_dockerfile = take_descriptor(caller, role::kDockerignore);
  if (context.kind != BuildContext::Kind::local) return std::nullopt;
  if (beside_dockerfile) {
    const std::string name = dockerfile_name + kIgnoreName;
    return BuildFile{name, read_regular(beside_dockerfile, name, kMaxIgnoreBytes)};
  }
  auto text = try_read_file(*context.directory, kIgnoreName, kMaxIgnoreBytes);
  if (!text) return std::nullopt;
  return BuildFile{kIgnoreName, std::move(*text)};
}

std::vector<std::string> read_ignore(const BuildContext& context,
                                     const std::string& dockerfile_name,
                                     Caller& caller) {
  const auto file = find_ignore(context, dockerfile_name, caller);
  return file ? dockerfile::parse_ignore_file(file->name, file->text) : std::vector<std::string>{};
}

}  // namespace kiln
