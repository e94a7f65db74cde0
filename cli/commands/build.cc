#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/build_report.h"
#include "cli/commands/build_files.h"
#include "cli/commands/build_flags.h"
#include "cli/commands/build_secrets.h"
#include "cli/commands/builds.h"
#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/progress_report.h"
#include "proto/reference.h"

namespace kiln::cli {

namespace {

const char* const kExamples =
    R"(  kiln build -t app:1 .                        build ./Dockerfile and name the image app:1
  kiln build -t ghcr.io/me/app:1 --push .      build, then upload (log in first: kiln login ghcr.io)
  kiln build -f docker/Dockerfile --target test --build-arg VERSION=2 .
  kiln build - < context.tar.gz                build an archive; - < Dockerfile: one without a context
  kiln build -o out .                          write the result's files to the directory out
  kiln build -o type=oci,dest=app.tar .        write an OCI archive
  kiln build --secret id=npm,src=$HOME/.npmrc --ssh default .   secrets and keys for RUN --mount
  kiln build --platform linux/amd64,linux/arm64 -t ghcr.io/me/app:1 --push .
  kiln build --check .                         look for mistakes and bad habits, build nothing
  kiln build --explain --timings .             why steps were not cached, and where the time went
  kiln build --iidfile id.txt --progress plain .   in CI: a log of lines, the digest in a file

A daemon is started when none runs. SOURCE_DATE_EPOCH is passed on as a build argument when it is set.
Exit codes: 0 built, 1 the build failed, 2 wrong usage, 3 no daemon.
)";

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): one thread
  if (value == nullptr) return std::nullopt;
  return value;
}

/// source: docker buildx build --metadata-file
std::string metadata_json(const Finished& finished) {
  using Json = nlohmann::ordered_json;
  Json json = Json::object();
  const auto set = [&](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  set("kiln.build.id", finished.build_id);
  set("containerimage.digest", finished.image_digest);
  set("containerimage.config.digest", finished.config_digest);
  std::vector<std::string> names;
  for (const std::string& name : finished.names)
    names.push_back(Reference::parse(name).or_latest().str());
  set("image.name", fmt::format("{}", fmt::join(names, ",")));
  for (const auto& [key, value] : finished.metadata) {
    Json document;
    if (value.starts_with('{') || value.starts_with('['))
      document = Json::parse(value, nullptr, /*allow_exceptions=*/false);
    json[key] = document.is_structured() ? std::move(document) : Json(value);
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void finish(const BuildFlags& flags, BuildFiles& files, const Finished& finished) {
  for (OutputFile& output : files.outputs)
    output.commit();
  if (!flags.iidfile.empty()) replace_file(flags.iidfile, finished.image_digest, 0644);
  if (!flags.metadata_file.empty())
    replace_file(flags.metadata_file, metadata_json(finished), 0644);
}

/// Shows the answer to a question about the Dockerfile; the exit code is its status.
int show_answer(const Call& call, const Finished& finished) {
  const auto value = [&](const char* key) {
    const auto found = finished.metadata.find(key);
    return found == finished.metadata.end() ? std::string() : found->second;
  };
  std::string text = value(call.json ? "result.json" : "result.txt");
  if (!text.ends_with('\n')) text += '\n';
  if (::isatty(STDOUT_FILENO) == 1) text = sanitize_lines(text);
  write_all(STDOUT_FILENO, text, "stdout");
  const std::string status = value("result.statuscode");
  return call.ignore_status || status.empty() || status == "0" ? kExitOk : kExitFailed;
}

/// Notes the build's id as it passes.
class WithBuildId final : public Progress {
 public:
  explicit WithBuildId(Progress& shown) : shown_(shown) {}

  void event(const BuildEvent& event, std::string_view line) override {
    if (const auto* started = std::get_if<BuildStarted>(&event)) build_id_ = started->build_id;
    shown_.event(event, line);
  }
  void redraw() override { shown_.redraw(); }
  [[nodiscard]] std::optional<std::chrono::milliseconds> redraw_interval() const override {
    return shown_.redraw_interval();
  }
  [[nodiscard]] const std::string& build_id() const { return build_id_; }

 private:
  Progress& shown_;
  std::string build_id_;
};

/// What an earlier build left must not pass for the result of one that failed.
void remove_stale(const std::string& path) {
  if (!path.empty() && ::unlink(path.c_str()) < 0 && errno != ENOENT)
    throw system_error(errno, "remove " + path);
}

}  // namespace

void declare(CommandLine& line, BuildFlags& flags) {
  line.list("-t,--tag", flags.tags, "NAME[:TAG]", "Name the image (repeatable)");
  line.option("-f,--file", flags.file, "FILE",
              "The Dockerfile, - for stdin (default: CONTEXT/Dockerfile)");
  line.list("--build-context", flags.build_contexts, "NAME=VALUE",
            "Let NAME in FROM and --from be a directory, a URL, docker-image://IMAGE or "
            "oci-layout://DIRECTORY[:TAG] (repeatable)");
  line.option("--target", flags.target, "STAGE", "Build this stage instead of the last");
  line.list("--build-arg", flags.build_args, "NAME[=VALUE]",
            "Set an ARG; without a value, the environment's (repeatable)");
  line.list("--label", flags.labels, "NAME=VALUE", "Add a label to the image (repeatable)");
  line.list("--platform", flags.platforms, "OS/ARCH[,...]",
            "Build for these platforms (default: the daemon's)");
  line.flag("--push", flags.push, "Push the image to its registry");
  line.list(
      "-o,--output", flags.outputs, "OUTPUT",
      "type=image|oci|docker|tar|local[,dest=PATH]; PATH alone is a directory, - a tar on stdout "
      "(repeatable)");
  line.flag_with_values("--no-cache", flags.no_cache,
                        "Run every step again; --no-cache=STAGE[,...]: of these stages");
  line.flag("--pull", flags.pull, "Ask the registries whether base images are newer");
  line.option("--network", flags.network, "MODE", "Network of RUN: default, host or none");
  line.list("--add-host", flags.add_hosts, "NAME:ADDRESS",
            "Add a line to RUN's /etc/hosts (repeatable)");
  line.list("--ulimit", flags.ulimits, "NAME=SOFT[:HARD]", "Set a limit for RUN (repeatable)");
  line.option("--shm-size", flags.shm_size, "SIZE", "Size of RUN's /dev/shm, such as 64m");
  line.list("--allow", flags.allow, "ENTITLEMENT",
            "Ask for network.host or security.insecure (repeatable)");
  line.list(
      "--cache-from", flags.cache_from, "type=TYPE[,...]",
      "Take steps from a cache that others wrote: type=registry,ref=NAME (or NAME alone; also "
      "an image with an inline cache) or type=local,src=DIRECTORY (repeatable)");
  line.list("--cache-to", flags.cache_to, "type=TYPE[,...]",
            "Add this build's steps to a cache: type=registry,ref=NAME[,mode=max], type=inline (in "
            "the image) or type=local,dest=DIRECTORY (repeatable)");
  line.list("--secret", flags.secrets, "id=ID[,src=FILE|,env=VARIABLE]",
            "Lend a secret to RUN --mount=type=secret,id=ID (repeatable)");
  line.list("--ssh", flags.ssh, "default|ID[=SOCKET|=KEY[,KEY]]",
            "Lend an SSH agent, or private keys, to RUN --mount=type=ssh (repeatable)");
  line.option("--progress", flags.progress, "MODE",
              "auto, tty, plain, json (events on stdout) or quiet");
  line.flag("-q,--quiet", flags.quiet, "Print the image's digest and nothing else");
  line.flag("--explain", flags.explain, "Say of every step that was not cached what differs");
  line.flag("--timings", flags.timings, "Say at the end where the time went");
  line.option("--iidfile", flags.iidfile, "FILE", "Write the image's digest to a file");
  line.option("--call", flags.call, "METHOD[,format=json]",
              "Ask about the Dockerfile and build nothing: check, outline (arguments, secrets) or "
              "targets (stages)");
  line.flag("--check", flags.check, "The same as --call check");
  line.option("--metadata-file", flags.metadata_file, "FILE",
              "Write digests and names to a file as JSON");
  // What docker build accepts and is always so here.
  for (const char* name : {"--rm", "--force-rm", "--load"})
    line.ignored_flag(name);
  line.positional(
      "CONTEXT", flags.context,
      "The directory that COPY and ADD take files from; -: an archive of it on stdin, or "
      "a Dockerfile that needs none");
}

int build_command(Invocation& invocation) {
  BuildFlags flags;
  CommandLine line(invocation, {"Build an image from a Dockerfile", kExamples});
  declare(line, flags);
  if (!line.parse()) return kExitOk;

  BuildRequest request = to_request(flags, environment);
  const Call call = parse_call(flags);
  ProgressMode mode = flags.quiet ? ProgressMode::quiet : parse_progress_mode(flags.progress);
  if (!call.method.empty()) mode = ProgressMode::quiet;
  BuildFiles files = open_build_files(request, flags.file);
  const Lending lending =
      open_lending(flags.secrets, flags.ssh, environment, request, files.descriptors);
  const auto progress = make_progress({.mode = mode,
                                       .title = "Building",
                                       .explain = flags.explain,
                                       .stdout_taken = files.stdout_taken});
  WithBuildId watched(*progress);
  remove_stale(flags.iidfile);
  remove_stale(flags.metadata_file);

  Client client = make_client(invocation, mode == ProgressMode::quiet);
  const Outcome outcome = client.follow({.method = "POST",
                                         .target = "/kiln/v1/builds",
                                         .body = to_json(request),
                                         .descriptors = files.descriptors},
                                        watched, user_credentials());
  if (flags.timings && !watched.build_id().empty())
    write_all(STDERR_FILENO, "\n" + timings_report(fetch_build(client, watched.build_id())),
              "stderr");
  const auto* finished = std::get_if<Finished>(&outcome);
  if (finished == nullptr) return kExitFailed;
  if (!call.method.empty()) return show_answer(call, *finished);
  finish(flags, files, *finished);
  return kExitOk;
}

}  // namespace kiln::cli
