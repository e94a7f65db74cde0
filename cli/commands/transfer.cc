#include <fcntl.h>
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/commands/followed.h"
#include "cli/errors.h"
#include "cli/output_file.h"
#include "cli/text.h"

namespace kiln::cli {

namespace {

int transfer(const Invocation& invocation,
             const ProgressFlags& flags,
             const std::string& title,
             const TransferRequest& transfer) {
  const Request request{
      .method = "POST", .target = "/kiln/v1/images/" + invocation.name, .body = to_json(transfer)};
  return follow(invocation, flags, {.title = title}, request) ? kExitOk : kExitFailed;
}

}  // namespace

int pull_command(Invocation& invocation) {
  ProgressFlags flags;
  TransferRequest request;
  CommandLine line(invocation, {"Download an image from a registry",
                                "  kiln pull alpine:3.20\n"
                                "  kiln pull --platform linux/arm64 ghcr.io/me/app:1\n"});
  line.option("--platform", request.platform, "OS/ARCH",
              "Which platform's image (default: the daemon's)");
  declare(line, flags);
  line.positional("NAME", request.reference, "The image");
  if (!line.parse()) return kExitOk;
  return transfer(invocation, flags, "Pulling", request);
}

int push_command(Invocation& invocation) {
  ProgressFlags flags;
  TransferRequest request;
  CommandLine line(invocation, {"Upload an image to the registry in its name",
                                "  kiln tag app:1 ghcr.io/me/app:1\n"
                                "  kiln push ghcr.io/me/app:1\n"});
  declare(line, flags);
  line.positional("NAME", request.reference, "The image");
  if (!line.parse()) return kExitOk;
  return transfer(invocation, flags, "Pushing", request);
}

int save_command(Invocation& invocation) {
  ProgressFlags flags;
  SaveRequest request;
  std::string path = "-";
  CommandLine line(invocation, {"Write images to an archive",
                                "  kiln save -o app.tar app:1\n"
                                "  kiln save --format docker app:1 | docker load\n"});
  line.option("-o,--output", path, "FILE", "The archive (default: stdout)");
  line.option("--format", request.format, "FORMAT", "oci (default), or docker for docker load");
  declare(line, flags);
  line.positionals("NAME", request.references, "The images");
  if (!line.parse()) return kExitOk;
  if (!request.format.empty() && request.format != "oci" && request.format != "docker")
    throw UsageError("--format \"{}\": not one of oci, docker", request.format);

  OutputFile output = OutputFile::file(path);
  request.descriptors = {fmt::format("{}0", role::kOutput)};
  request.archive_name = path == "-" ? "stdout" : path;
  const auto finished = follow(invocation, flags, {.title = "Saving", .stdout_taken = path == "-"},
                               {.method = "POST",
                                .target = "/kiln/v1/images/save",
                                .body = to_json(request),
                                .descriptors = {output.descriptor()}});
  if (!finished) return kExitFailed;
  output.commit();
  return kExitOk;
}

int load_command(Invocation& invocation) {
  ProgressFlags flags;
  std::string path = "-";
  CommandLine line(invocation,
                   {"Read images from an archive (an OCI layout or docker save, as a tar)",
                    "  kiln load -i app.tar\n"
                    "  docker save app:1 | kiln load\n"});
  line.option("-i,--input", path, "FILE", "The archive (default: stdin)");
  declare(line, flags);
  if (!line.parse()) return kExitOk;

  Fd file;
  if (path != "-") {
    file = open_read(path);
  } else if (::isatty(STDIN_FILENO) == 1) {
    throw UsageError("stdin is a terminal; pipe an archive in, or name one with --input");
  }
  SaveRequest request;
  request.descriptors = {std::string(role::kContext)};
  request.archive_name = path == "-" ? "stdin" : path;
  // Names are the result here, not the digest.
  const auto finished = follow(invocation, flags, {.title = "Loading", .stdout_taken = flags.quiet},
                               {.method = "POST",
                                .target = "/kiln/v1/images/load",
                                .body = to_json(request),
                                .descriptors = {file ? file.get() : STDIN_FILENO}});
  if (!finished) return kExitFailed;
  if (flags.mode != "json") {
    for (const std::string& name : finished->names)
      print(fmt::format("Loaded image: {}\n", sanitize(name)));
  }
  return kExitOk;
}

}  // namespace kiln::cli
