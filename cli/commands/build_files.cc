#include "cli/commands/build_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "cli/errors.h"
#include "proto/cache_role.h"

namespace kiln::cli {

namespace {

namespace fs = std::filesystem;

bool is_url(std::string_view text) {
  constexpr std::array<std::string_view, 6> kPrefixes{"http://", "https://", "git://",
                                                      "ssh://",  "git@",     "github.com/"};
  return std::ranges::any_of(kPrefixes,
                             [&](std::string_view prefix) { return text.starts_with(prefix); });
}

/// True for what the daemon is to fetch; a directory of the name goes first, as docker has it.
bool is_remote(const std::string& context) {
  std::error_code ignored;  // what cannot be looked at is no directory
  if (context == "-" || fs::is_directory(context, ignored)) return false;
  if (is_url(context)) return true;
  const std::size_t at = context.find('@');
  const std::size_t colon = context.find(':', at == std::string::npos ? context.size() : at);
  return colon != std::string::npos && context.find('/') > colon;  // user@host:path
}

Fd open_context(const std::string& context) {
  if (context == "-") {
    if (::isatty(STDIN_FILENO) == 1)
      throw UsageError(
          "CONTEXT \"-\": stdin is a terminal; pipe an archive of the context in, or a Dockerfile");
    Fd fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!fd) throw system_error(errno, "stdin");
    return fd;
  }
  Fd fd(::open(context.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) return fd;
  if (errno == ENOTDIR)
    throw UsageError(
        "CONTEXT \"{0}\": not a directory; an archive or a lone Dockerfile goes to stdin: kiln "
        "build "
        "- < {0}",
        context);
  throw system_error(errno, fmt::format("build context \"{}\"", context));
}

/// The file at `path` as something that can be read at any offset: a pipe is read to its end first.
Fd regular(Fd fd, const std::string& path) {
  struct stat status{};
  if (::fstat(fd.get(), &status) < 0) throw system_error(errno, "stat " + path);
  if (S_ISDIR(status.st_mode))
    throw Error(Errc::invalid_input, "failed to read dockerfile {}: it is a directory", path);
  if (S_ISREG(status.st_mode)) return fd;
  return memory_file(read_all(fd.get(), path));
}

std::optional<Fd> open_if_there(const std::string& path) {
  try {
    return open_read(path);
  } catch (const Error& error) {
    if (error.code() == Errc::not_found) return std::nullopt;
    throw;
  }
}

/// How a file of the context is called in messages: "Dockerfile", "app/Dockerfile".
std::string beneath(const std::string& context, const char* name) {
  return context == "." || context == "./" ? name : (fs::path(context) / name).string();
}

struct Dockerfile {
  Fd fd;
  std::string name;
  std::string path;  ///< "" for stdin
};

/// "; it has Containerfile: name it with --file", when the context has something of the kind.
std::string what_there_is(const std::string& context) {
  std::vector<std::string> similar;
  std::error_code ignored;  // a directory that cannot be listed gives no advice
  for (const auto& entry : fs::directory_iterator(context, ignored)) {
    const std::string name = entry.path().filename().string();
    std::string folded = name;
    std::ranges::transform(folded, folded.begin(), [](unsigned char c) { return std::tolower(c); });
    if ((folded.starts_with("dockerfile") || folded.starts_with("containerfile") ||
         folded.ends_with(".dockerfile")) &&
        !folded.ends_with(".dockerignore"))
      similar.push_back(beneath(context, name.c_str()));
  }
  std::ranges::sort(similar);
  if (similar.empty()) return "; name another with --file";
  return fmt::format("; there is {}: name it with --file", fmt::join(similar, ", "));
}

Dockerfile open_dockerfile(const std::string& context, const std::string& file) {
  if (file == "-") {
    if (::isatty(STDIN_FILENO) == 1)
      throw UsageError("--file -: stdin is a terminal; pipe the Dockerfile in");
    return {memory_file(read_all(STDIN_FILENO, "the Dockerfile from stdin")), "-", ""};
  }
  if (is_url(file)) throw UsageError("--file \"{}\": URLs are not supported; fetch it first", file);
  const std::string wanted = file.empty() ? beneath(context, "Dockerfile") : file;
  std::vector<std::string> names{wanted};
  // As docker has it, for a file that was named too.
  if (const fs::path path(wanted); path.filename() == "Dockerfile")
    names.push_back((path.parent_path() / "dockerfile").string());
  return within("failed to read dockerfile", [&]() -> Dockerfile {
    for (const std::string& name : names) {
      if (auto fd = open_if_there(name)) return {regular(std::move(*fd), name), name, name};
    }
    throw Error(Errc::not_found, "{}: no such file{}", names.front(),
                file.empty() ? what_there_is(context)
                             : " (a relative path is relative to the "
                               "working directory, not to CONTEXT)");
  });
}

/// DIRECTORY of "DIRECTORY[:TAG][@DIGEST]".
std::string path_of_layout(const std::string& place) {
  std::string path = place.substr(0, place.find('@'));
  const std::size_t colon = path.rfind(':');
  if (colon != std::string::npos && path.find('/', colon) == std::string::npos) path.resize(colon);
  return path;
}

/// Collects what goes with a request.
class Passing {
 public:
  Passing(BuildRequest& request, BuildFiles& files) : request_(request), files_(files) {}

  /// The context, the Dockerfile and its ignore file.
  void sources(const std::string& file) {
    const bool streamed = request_.context_name == "-";
    const bool remote = is_remote(request_.context_name);
    if (streamed && file == "-")
      throw UsageError("CONTEXT and --file are both \"-\": only one can be read from stdin");
    if (!remote) input(role::kContext, open_context(request_.context_name));
    // As docker has it: of a URL, stdin and absolute paths are the client's.
    if (streamed || (remote && file != "-" && !file.starts_with('/'))) {
      request_.dockerfile_name = file;  // a path in the context
      return;
    }
    Dockerfile dockerfile = open_dockerfile(request_.context_name, file);
    request_.dockerfile_name = dockerfile.name;
    input(role::kDockerfile, std::move(dockerfile.fd));
    if (!dockerfile.path.empty() && !remote) ignore_beside(dockerfile.path);
  }

  /// The context and the ignore file alone.
  void listing(const std::string& file) {
    if (is_remote(request_.context_name)) return;
    input(role::kContext, open_context(request_.context_name));
    if (request_.context_name == "-") return;
    request_.dockerfile_name = file.empty() ? beneath(request_.context_name, "Dockerfile") : file;
    ignore_beside(request_.dockerfile_name);
  }

  /// The directories among the named contexts.
  void named_contexts() {
    constexpr std::string_view kLayout = "oci-layout://";
    for (const auto& [name, value] : request_.named_contexts) {
      if (value.starts_with("docker-image://")) continue;
      const std::string flag = fmt::format("--build-context {}={}", name, value);
      std::string path = value;
      if (value.starts_with(kLayout)) {
        path = path_of_layout(value.substr(kLayout.size()));
      } else if (is_remote(value)) {
        continue;
      }
      Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!fd && errno == ENOTDIR) throw UsageError("{}: not a directory", flag);
      if (!fd) throw system_error(errno, flag);
      input(fmt::format("{}{}", role::kNamedContext, name), std::move(fd));
    }
  }

  /// Directories of caches; one to read from that does not exist is a cache that has nothing yet.
  void caches() {
    for (std::size_t i = 0; i < request_.cache_from.size(); ++i) {
      const CacheOption& option = request_.cache_from[i];
      const auto src = option.attributes.find("src");
      if (option.type != "local" || src == option.attributes.end()) continue;
      Fd fd(::open(src->second.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!fd && errno == ENOENT) continue;
      if (!fd)
        throw system_error(errno, fmt::format("--cache-from type=local,src={}", src->second));
      input(fmt::format("{}{}", role::kCacheFrom, i), std::move(fd));
    }
    for (std::size_t i = 0; i < request_.cache_to.size(); ++i) {
      const CacheOption& option = request_.cache_to[i];
      const auto dest = option.attributes.find("dest");
      if (option.type != "local" || dest == option.attributes.end()) continue;
      files_.outputs.push_back(OutputFile::directory(dest->second));
      pass(fmt::format("{}{}", role::kCacheTo, i), files_.outputs.back().descriptor());
    }
  }

  void outputs() {
    for (std::size_t i = 0; i < request_.outputs.size(); ++i) {
      const Output& output = request_.outputs[i];
      if (output.type == "image") continue;
      const std::string& dest = output.attributes.at("dest");
      if (dest == "-") files_.stdout_taken = true;
      files_.outputs.push_back(output.type == "local" ? OutputFile::directory(dest)
                                                      : OutputFile::file(dest));
      pass(fmt::format("{}{}", role::kOutput, i), files_.outputs.back().descriptor());
    }
  }

 private:
  void ignore_beside(const std::string& dockerfile) {
    const std::string name = dockerfile + ".dockerignore";
    if (auto ignore = open_if_there(name))
      input(role::kDockerignore, regular(std::move(*ignore), name));
  }

  void pass(std::string role, int descriptor) {
    request_.descriptors.push_back(std::move(role));
    files_.descriptors.push_back(descriptor);
  }

  void input(std::string_view role, Fd fd) {
    pass(std::string(role), fd.get());
    files_.inputs.push_back(std::move(fd));
  }

  BuildRequest& request_;
  BuildFiles& files_;
};

}  // namespace

BuildFiles open_build_files(BuildRequest& request, const std::string& file) {
  BuildFiles files;
  Passing passing(request, files);
  passing.sources(file);
  passing.named_contexts();
  passing.outputs();
  passing.caches();
  return files;
}

BuildFiles open_listing_files(BuildRequest& request, const std::string& file) {
  BuildFiles files;
  Passing(request, files).listing(file);
  return files;
}

}  // namespace kiln::cli
