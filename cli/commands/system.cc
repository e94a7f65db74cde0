#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/table.h"
#include "cli/text.h"

namespace kiln::cli {

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
