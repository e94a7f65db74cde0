#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "cli/commands/commands.h"
#include "cli/commands/followed.h"
#include "cli/errors.h"
#include "cli/output_file.h"
#include "cli/table.h"
#include "cli/text.h"
#include "proto/cache_messages.h"

namespace kiln::cli {

namespace {

std::string users_of(const CacheMountSummary& row) {
  if (row.users == 0) return "-";
  return fmt::format("{} ({})", row.users, row.shared ? "shared" : "exclusive");
}

int list(Invocation& invocation) {
  std::string format = "table";
  CommandLine line(invocation, {"List the directories of RUN --mount=type=cache",
                                "  kiln cache ls\n"
                                "  kiln cache ls --format json | jq -r '.[].id'\n"});
  line.option("--format", format, "FORMAT", "table or json");
  if (!line.parse()) return kExitOk;
  if (format != "table" && format != "json")
    throw UsageError("--format \"{}\": not one of table, json", format);
  const auto mounts = from_json<std::vector<CacheMountSummary>>(
      make_client(invocation).call({.target = "/kiln/v1/cache-mounts"}));
  if (format == "json") {
    print(to_json(mounts) + "\n");
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows{{"ID", "SIZE", "LAST USED", "IN USE"}};
  for (const CacheMountSummary& row : mounts)
    rows.push_back({sanitize(row.id), human_bytes(row.size_bytes),
                    sanitize(human_age(row.used, static_cast<std::int64_t>(std::time(nullptr)))),
                    users_of(row)});
  print(format_table(rows));
  return kExitOk;
}

/// As the name of the file says; zstd where it says nothing.
std::string compression_of(const std::string& path) {
  for (const char* end : {".gz", ".tgz"}) {
    if (path.ends_with(end)) return "gzip";
  }
  return path.ends_with(".tar") ? "none" : "zstd";
}

int save(Invocation& invocation) {
  ProgressFlags flags;
  CacheTransferRequest request;
  std::string path = "-";
  CommandLine line(invocation,
                   {"Write a cache mount to an archive",
                    "  kiln cache save -o pip.tar.zst /root/.cache/pip\n"
                    "  kiln cache save apt | ssh agent2 kiln cache load apt\n"
                    "\nID is the id= of the mount, or its target. While it is packed, steps that "
                    "want it wait.\n"});
  line.option("-o,--output", path, "FILE", "The archive (default: stdout)");
  line.option("--compression", request.compression, "FORMAT",
              "zstd, gzip or none (default: as FILE is named, else zstd)");
  declare(line, flags);
  line.positional("ID", request.id, "The cache mount");
  if (!line.parse()) return kExitOk;
  if (request.compression.empty()) request.compression = compression_of(path);
  constexpr std::array<std::string_view, 3> kFormats{"zstd", "gzip", "none"};
  if (std::ranges::find(kFormats, request.compression) == kFormats.end())
    throw UsageError("--compression \"{}\": not one of zstd, gzip, none", request.compression);

  OutputFile output = OutputFile::file(path);
  request.descriptors = {fmt::format("{}0", role::kOutput)};
  request.archive_name = path == "-" ? "stdout" : path;
  const auto finished = follow(invocation, flags, {.title = "Saving", .stdout_taken = path == "-"},
                               {.method = "POST",
                                .target = "/kiln/v1/cache-mounts/save",
                                .body = to_json(request),
                                .descriptors = {output.descriptor()}});
  if (!finished) return kExitFailed;
  output.commit();
  return kExitOk;
}

int load(Invocation& invocation) {
  ProgressFlags flags;
  CacheTransferRequest request;
  std::string path = "-";
  CommandLine line(invocation,
                   {"Fill a cache mount from an archive",
                    "  kiln cache load /root/.cache/pip pip.tar.zst\n"
                    "  tar -C ~/.cache/pip -c . | kiln cache load --merge /root/.cache/pip\n"
                    "\nWhat the id had before is replaced once the whole archive was read; steps "
                    "that use it keep it.\n"});
  line.flag("--merge", request.merge, "Add to what is there; files of the same name are replaced");
  declare(line, flags);
  line.positional("ID", request.id, "The cache mount");
  line.positional("FILE", path, "The archive, a tar (default: stdin)", CommandLine::Need::optional);
  if (!line.parse()) return kExitOk;

  Fd file;
  if (path != "-") {
    file = open_read(path);
  } else if (::isatty(STDIN_FILENO) == 1) {
    throw UsageError("stdin is a terminal; pipe an archive in, or name one");
  }
  request.descriptors = {std::string(role::kContext)};
  request.archive_name = path == "-" ? "stdin" : path;
  const auto finished = follow(invocation, flags, {.title = "Loading"},
                               {.method = "POST",
                                .target = "/kiln/v1/cache-mounts/load",
                                .body = to_json(request),
                                .descriptors = {file ? file.get() : STDIN_FILENO}});
  return finished ? kExitOk : kExitFailed;
}

int remove(Invocation& invocation) {
  std::vector<std::string> ids;
  CommandLine line(invocation, {"Remove cache mounts",
                                "  kiln cache rm apt /root/.cache/pip\n"
                                "\nSteps that use one keep it to their end.\n"});
  line.positionals("ID", ids, "The cache mounts");
  if (!line.parse()) return kExitOk;
  std::uint64_t freed = 0;
  for (const std::string& id : ids) {
    const auto removed = from_json<CacheMountsRemoved>(
        make_client(invocation)
            .call(
                {.method = "DELETE", .target = "/kiln/v1/cache-mounts?id=" + percent_encode(id)}));
    freed += removed.freed_bytes;
  }
  print(fmt::format("Freed {}\n", human_bytes(freed)));
  return kExitOk;
}

struct Verb {
  std::string_view name;
  std::string_view summary;
  int (*run)(Invocation& invocation);
};

constexpr std::array<Verb, 4> kVerbs{{{"ls", "List cache mounts", list},
                                      {"save", "Write one to an archive", save},
                                      {"load", "Fill one from an archive", load},
                                      {"rm", "Remove cache mounts", remove}}};

std::string help() {
  std::string text =
      "Carry cache mounts (RUN --mount=type=cache) from one daemon to another\n\n"
      "Usage: kiln cache COMMAND [FLAGS] [ARGUMENTS]\n\nCommands:\n";
  for (const Verb& verb : kVerbs)
    text += fmt::format("  {:<6} {}\n", verb.name, verb.summary);
  return text + "\n'kiln cache COMMAND --help' explains a command.\n";
}

}  // namespace

int cache_command(Invocation& invocation) {
  const std::string word = invocation.args.empty() ? "" : invocation.args[0];
  if (word == "--help" || word == "-h") {
    print(help());
    return kExitOk;
  }
  const auto* const verb = std::ranges::find(kVerbs, word, &Verb::name);
  if (verb == kVerbs.end())
    throw UsageError("kiln cache {}: want ls, save, load or rm; see 'kiln cache --help'", word);
  invocation.args.erase(invocation.args.begin());
  invocation.name = "cache " + word;
  return verb->run(invocation);
}

}  // namespace kiln::cli
