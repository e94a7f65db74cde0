#include <algorithm>
#include <tuple>

#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/table.h"
#include "cli/text.h"

namespace kiln::cli {

namespace {

/// The first needs, and how many there are more.
std::string needs_of(const DiskUsage::Item& item) {
  constexpr std::size_t kShown = 2;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, item.needed_by.size()); ++i)
    text += (i == 0 ? "" : ", ") + sanitize(item.needed_by[i]);
  if (item.needed_by.size() > kShown)
    text += fmt::format(", {} more", item.needed_by.size() - kShown);
  return text;
}

void print_items(std::vector<DiskUsage::Item> items) {
  constexpr std::size_t kNameColumns = 60;
  std::ranges::sort(items, [](const DiskUsage::Item& a, const DiskUsage::Item& b) {
    return std::tie(b.size_bytes, a.kind, a.name) < std::tie(a.size_bytes, b.kind, b.name);
  });
  std::vector<std::vector<std::string>> rows{{"KIND", "NAME", "SIZE", "LAST USED", "NEEDED BY"}};
  std::uint64_t sum = 0;
  for (const DiskUsage::Item& item : items) {
    sum += item.size_bytes;
    rows.push_back({sanitize(item.kind), clip(sanitize(item.name), kNameColumns),
                    human_bytes(item.size_bytes), sanitize(item.last_used), needs_of(item)});
  }
  rows.push_back({"sum", "", human_bytes(sum), "", ""});
  print(format_table(rows));
}

}  // namespace

int df_command(Invocation& invocation) {
  std::string format = "table";
  bool json = false;
  bool verbose = false;
  CommandLine line(
      invocation,
      {"Show disk usage",
       "  kiln df\n"
       "  kiln df -v     each layer, record, image, cache mount, log: its size, its last\n"
       "                 use and who needs it\n"});
  line.flag("-v,--verbose", verbose, "List each thing that takes space, largest first");
  line.option("--format", format, "FORMAT", "table or json");
  line.flag("--json", json, "The same as --format json");
  if (!line.parse()) return kExitOk;
  if (json) format = "json";
  if (format != "table" && format != "json")
    throw UsageError("--format \"{}\": not one of table, json", format);
  const auto usage = from_json<DiskUsage>(
      make_client(invocation).call({.target = verbose ? "/kiln/v1/df?items=1" : "/kiln/v1/df"}));
  if (format == "json") {
    print(to_json(usage) + "\n");
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows{{"KIND", "COUNT", "SIZE", "RECLAIMABLE"}};
  for (const DiskUsage::Row& row : usage.rows)
    rows.push_back({sanitize(row.kind), fmt::format("{}", row.count), human_bytes(row.size_bytes),
                    human_bytes(row.reclaimable_bytes)});
  print(format_table(rows));
  if (verbose) {
    print("\n");
    print_items(usage.items);
  }
  return kExitOk;
}

}  // namespace kiln::cli
