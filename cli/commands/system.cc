#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/table.h"
#include "cli/text.h"

namespace kiln::cli {

int prune_command(Invocation& invocation) {
  PruneRequest request;
  CommandLine line(invocation,
                   {"Remove build cache that nothing uses; images stay",
                    "  kiln prune         cache that no image needs\n"
                    "  kiln prune --all   the cache behind images, and cache mounts, too\n"});
  line.flag("-a,--all", request.all,
            "Cache of images and cache mounts too, so that only the images stay");
  line.ignored_flag("-f,--force");
  if (!line.parse()) return kExitOk;
  const auto report = from_json<PruneReport>(
      make_client(invocation)
          .call({.method = "POST", .target = "/kiln/v1/prune", .body = to_json(request)}));
  print(fmt::format("Removed {} records\nFreed {}\n", report.records,
                    human_bytes(report.freed_bytes)));
  return kExitOk;
}

int df_command(Invocation& invocation) {
  std::string format = "table";
  CommandLine line(invocation, {"Show disk usage", "  kiln df\n"});
  line.option("--format", format, "FORMAT", "table or json");
  if (!line.parse()) return kExitOk;
  if (format != "table" && format != "json")
    throw UsageError("--format \"{}\": not one of table, json", format);
  const auto usage = from_json<DiskUsage>(make_client(invocation).call({.target = "/kiln/v1/df"}));
  if (format == "json") {
    print(to_json(usage) + "\n");
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows{{"KIND", "COUNT", "SIZE", "RECLAIMABLE"}};
  for (const DiskUsage::Row& row : usage.rows)
    rows.push_back({sanitize(row.kind), fmt::format("{}", row.count), human_bytes(row.size_bytes),
                    human_bytes(row.reclaimable_bytes)});
  print(format_table(rows));
  return kExitOk;
}

int info_command(Invocation& invocation) {
  CommandLine line(invocation, {"Show the daemon's settings and what it found on this machine",
                                "  kiln info     (put this into bug reports)\n"});
  if (!line.parse()) return kExitOk;
  Client client = make_client(invocation);
  const auto info = from_json<DaemonInfo>(client.call({.target = "/kiln/v1/info"}));
  std::vector<std::vector<std::string>> rows{{"client version", KILN_VERSION},
                                             {"socket", "unix://" + client.socket_path()}};
  for (const auto& [name, value] : info.entries)
    rows.push_back({sanitize(name), sanitize(value)});
  print(format_table(rows));
  return kExitOk;
}

int version_command(Invocation& invocation) {
  CommandLine line(invocation, {"Show the versions of kiln and of the daemon that it talks to",
                                "  kiln version\n"});
  if (!line.parse()) return kExitOk;
  print(fmt::format("client   {} (API {})\n", KILN_VERSION, kApiVersion));
  Client client({.endpoint = find_endpoint(invocation.host), .may_start = false});
  const auto version = from_json<VersionInfo>(client.call({.target = "/kiln/v1/version"}));
  print(fmt::format("daemon   {} (API {}) at unix://{}\n", sanitize(version.version),
                    version.api_version, client.socket_path()));
  return kExitOk;
}

}  // namespace kiln::cli
