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

namespace kiln::cli {

namespace {

namespace fs = std::filesystem;

bool is_url(std::string_view text) {
  constexpr std::array<std::string_view, 6> kPrefixes{"http://", "https://", "git://",
                                                      "ssh://",  "git@",     "github.com/"};
  return std::ranges::any_of(kPrefixes,
                             [&](std::string_view prefix) { return text.starts_with(prefix); });
}

Fd open_context(const std::string& context) {
  if (context == "-")
    throw UsageError(
        "CONTEXT \"-\": an archive on stdin is not supported; unpack it and name its directory");
  if (is_url(context))
    throw UsageError("CONTEXT \"{}\": URLs are not supported; fetch it and name its directory",
                     context);
  Fd fd(::open(context.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) return fd;
  if (errno == ENOTDIR) throw UsageError("CONTEXT \"{}\": not a directory", context);
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

Dockerfile open_dockerfile(const std::string& context, const std::string& file) {
  if (file == "-") {
    if (::isatty(STDIN_FILENO) == 1)
      throw UsageError("--file -: stdin is a terminal; pipe the Dockerfile in");
    return {memory_file(read_all(STDIN_FILENO, "the Dockerfile from stdin")), "-", ""};
  }
  if (is_url(file)) throw UsageError("--file \"{}\": URLs are not supported; fetch it first", file);
  std::vector<std::string> names{file};
  if (file.empty()) names = {beneath(context, "Dockerfile"), beneath(context, "dockerfile")};
  return within("failed to read dockerfile", [&]() -> Dockerfile {
    for (const std::string& name : names) {
      if (auto fd = open_if_there(name)) return {regular(std::move(*fd), name), name, name};
    }
    throw Error(Errc::not_found, "{}: no such file{}", names.front(),
                file.empty() ? "; name another with --file"
                             : " (a relative path is relative to the "
                               "working directory, not to CONTEXT)");
  });
}

}  // namespace

BuildFiles open_build_files(BuildRequest& request, const std::string& file) {
  BuildFiles files;
  const auto pass = [&](std::string role, int descriptor) {
    request.descriptors.push_back(std::move(role));
    files.descriptors.push_back(descriptor);
  };
  const auto pass_input = [&](std::string_view role, Fd fd) {
    pass(std::string(role), fd.get());
    files.inputs.push_back(std::move(fd));
  };

  pass_input(role::kContext, open_context(request.context_name));
  Dockerfile dockerfile = open_dockerfile(request.context_name, file);
  request.dockerfile_name = dockerfile.name;
  pass_input(role::kDockerfile, std::move(dockerfile.fd));
  if (!dockerfile.path.empty()) {
    if (auto ignore = open_if_there(dockerfile.path + ".dockerignore"))
      pass_input(role::kDockerignore,
                 regular(std::move(*ignore), dockerfile.path + ".dockerignore"));
  }
  for (std::size_t i = 0; i < request.outputs.size(); ++i) {
    const Output& output = request.outputs[i];
    if (output.type == "image") continue;
    const std::string& dest = output.attributes.at("dest");
    if (dest == "-") files.stdout_taken = true;
    files.outputs.push_back(output.type == "local" ? OutputFile::directory(dest)
                                                   : OutputFile::file(dest));
    pass(fmt::format("{}{}", role::kOutput, i), files.outputs.back().descriptor());
  }
  return files;
}

}  // namespace kiln::cli
