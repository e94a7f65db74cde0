#include <ctime>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "cli/table.h"
#include "cli/text.h"
#include "proto/reference.h"

namespace kiln::cli {

namespace {

/// How the daemon lists an image that has no name.
constexpr std::string_view kUnnamed = "<none>";

std::int64_t now_s() {
  return static_cast<std::int64_t>(std::time(nullptr));
}

std::string short_digest(const std::string& digest, bool whole) {
  if (whole) return sanitize(digest);
  const std::size_t colon = digest.find(':');
  return sanitize(digest.substr(colon == std::string::npos ? 0 : colon + 1, 12));
}

/// "json" or "table"; throws UsageError.
bool wants_json(const std::string& format) {
  if (format != "json" && format != "table")
    throw UsageError("--format \"{}\": not one of table, json", format);
  return format == "json";
}

/// Whether an image is meant by what the user typed: a name, or a name and a tag.
bool matches(const ImageSummary& image, const Reference& wanted) {
  if (image.reference == kUnnamed) return false;
  const Reference own = Reference::parse(image.reference);
  return own.name() == wanted.name() && (!wanted.tag || own.or_latest().tag == wanted.tag);
}

std::string image_table(const std::vector<ImageSummary>& images, bool whole) {
  std::vector<std::vector<std::string>> rows{{"NAME", "DIGEST", "PLATFORM", "CREATED", "SIZE"}};
  for (const ImageSummary& image : images)
    rows.push_back({sanitize(image.reference), short_digest(image.digest, whole),
                    sanitize(image.platform), sanitize(human_age(image.created, now_s())),
                    human_bytes(image.size_bytes)});
  return format_table(rows);
}

std::string with_name(std::string_view path, const std::string& reference) {
  return fmt::format("/kiln/v1/images{}?name={}", path, percent_encode(reference));
}

}  // namespace

int images_command(Invocation& invocation) {
  bool quiet = false;
  bool whole = false;
  std::string format = "table";
  std::string name;
  CommandLine line(invocation, {"List images",
                                "  kiln images            all of them\n"
                                "  kiln images app        every tag of app\n"
                                "  kiln images --format json | jq -r '.[].reference'\n"});
  line.flag("-q,--quiet", quiet, "Print digests only");
  line.flag("--no-trunc", whole, "Print whole digests");
  line.option("--format", format, "FORMAT", "table or json");
  line.positional("NAME", name, "List the images of this name only", CommandLine::Need::optional);
  if (!line.parse()) return kExitOk;

  const bool as_json = wants_json(format);
  const std::string body = make_client(invocation).call({.target = "/kiln/v1/images"});
  auto images = from_json<std::vector<ImageSummary>>(body);
  if (!name.empty()) {
    const Reference wanted = Reference::parse(name);
    std::erase_if(images, [&](const ImageSummary& image) { return !matches(image, wanted); });
  }
  if (as_json) {
    print(to_json(images) + "\n");
  } else if (quiet) {
    for (const ImageSummary& image : images)
      print(sanitize(image.digest) + "\n");
  } else {
    print(image_table(images, whole));
  }
  return kExitOk;
}

int inspect_command(Invocation& invocation) {
  std::vector<std::string> names;
  CommandLine line(invocation, {"Show an image's manifest and configuration as JSON",
                                "  kiln inspect app:1\n"
                                "  kiln inspect app:1 | jq .config.config.Env\n"});
  line.positionals("NAME", names, "The images");
  if (!line.parse()) return kExitOk;
  Client client = make_client(invocation);
  for (const std::string& name : names) {
    const std::string body = client.call({.target = with_name("/inspect", name)});
    const auto json = nlohmann::ordered_json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) throw Error(Errc::corrupt, "inspect {}: the answer is not JSON", name);
    print(json.dump(2) + "\n");
  }
  return kExitOk;
}

int history_command(Invocation& invocation) {
  bool whole = false;
  std::string format = "table";
  std::string name;
  CommandLine line(invocation, {"Show the steps that made an image, newest first",
                                "  kiln history app:1\n"
                                "  kiln history --no-trunc app:1\n"});
  line.flag("--no-trunc", whole, "Do not shorten the steps");
  line.option("--format", format, "FORMAT", "table or json");
  line.positional("NAME", name, "The image");
  if (!line.parse()) return kExitOk;

  const bool as_json = wants_json(format);
  const std::string body = make_client(invocation).call({.target = with_name("/history", name)});
  const auto history = from_json<std::vector<HistoryRow>>(body);
  if (as_json) {
    print(to_json(history) + "\n");
    return kExitOk;
  }
  constexpr std::size_t kStepColumns = 60;
  std::vector<std::vector<std::string>> rows{{"CREATED", "CREATED BY", "SIZE", "COMMENT"}};
  for (const HistoryRow& row : history) {
    std::string step = sanitize(row.created_by);
    if (!whole && display_width(step) > kStepColumns) step = clip(step, kStepColumns - 3) + "...";
    rows.push_back({sanitize(human_age(row.created, now_s())), step, human_bytes(row.size_bytes),
                    sanitize(row.comment)});
  }
  print(format_table(rows));
  return kExitOk;
}

int tag_command(Invocation& invocation) {
  std::string source;
  std::string target;
  CommandLine line(invocation,
                   {"Give an image another name", "  kiln tag app:1 ghcr.io/me/app:1\n"});
  line.positional("SOURCE", source, "The image");
  line.positional("TARGET", target, "Its new name");
  if (!line.parse()) return kExitOk;
  make_client(invocation)
      .call({.method = "POST",
             .target = fmt::format("/kiln/v1/images/tag?source={}&target={}",
                                   percent_encode(source), percent_encode(target))});
  return kExitOk;
}

int rmi_command(Invocation& invocation) {
  std::vector<std::string> names;
  CommandLine line(invocation,
                   {"Remove image names; what no other name or cached step needs is freed later",
                    "  kiln rmi app:1 app:2\n"});
  line.ignored_flag("-f,--force");
  line.positionals("NAME", names, "The images");
  if (!line.parse()) return kExitOk;
  Client client = make_client(invocation);
  int exit_code = kExitOk;
  for (const std::string& name : names) {
    try {
      client.call({.method = "DELETE", .target = with_name("", name)});
      print(fmt::format("Removed: {}\n", name));
    } catch (const ConnectionError&) {
      throw;
    } catch (const Error& error) {  // the others are removed all the same
      fmt::print(stderr, "kiln rmi: {}: {}\n", name, error.what());
      exit_code = kExitFailed;
    }
  }
  return exit_code;
}

}  // namespace kiln::cli
