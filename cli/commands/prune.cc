#include "cli/amounts.h"
#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/text.h"

namespace kiln::cli {

int prune_command(Invocation& invocation) {
  PruneRequest request;
  std::string keep;
  std::string age;
  CommandLine line(
      invocation,
      {"Remove build cache that nothing uses; images stay",
       "  kiln prune                      cache that no image needs\n"
       "  kiln prune --all                the cache behind images, and cache mounts, too\n"
       "  kiln prune --older-than 14d     what was not used for two weeks\n"
       "  kiln prune -a --keep-bytes 10GB what was used longest ago, down to 10 GB\n"});
  line.flag("-a,--all", request.all,
            "Cache of images and cache mounts too, so that only the images stay");
  line.option("--keep-bytes", keep, "SIZE",
              "Stop when the store takes no more than this; least recently used goes first");
  line.option("--older-than", age, "AGE", "Only what was not used for so long: 14d, 24h, 90m");
  line.ignored_flag("-f,--force");
  if (!line.parse()) return kExitOk;
  if (!keep.empty()) request.keep_bytes = parse_bytes("--keep-bytes", keep);
  if (!age.empty()) request.older_than_s = parse_age("--older-than", age).count();
  const auto report = from_json<PruneReport>(
      make_client(invocation)
          .call({.method = "POST", .target = "/kiln/v1/prune", .body = to_json(request)}));
  print(fmt::format("Removed {} records\nFreed {}\n", report.records,
                    human_bytes(report.freed_bytes)));
  return kExitOk;
}

}  // namespace kiln::cli
