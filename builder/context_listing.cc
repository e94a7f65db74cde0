#include "builder/context_listing.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "builder/build_context.h"
#include "builder/dockerfile/dockerignore.h"
#include "builder/ops/context_list.h"
#include "builder/os/cancellable.h"
#include "builder/step.h"
#include "proto/shown_url.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

/// How much text an event carries.
constexpr std::size_t kEventBytes = 64 * 1024;

struct Listing {
  std::vector<ops::ListedPath> paths;
  std::string ignore_name;
  std::vector<dockerfile::IgnoreLine> ignore;
};

Listing make_listing(const BuildContext& context,
                     const std::string& dockerfile_name,
                     Caller& caller,
                     std::stop_token stop) {
  Listing listing;
  std::vector<std::string> patterns;
  if (const auto ignore = find_ignore(context, dockerfile_name, caller)) {
    listing.ignore_name = ignore->name;
    listing.ignore = dockerfile::parse_ignore_lines(ignore->name, ignore->text);
    for (const dockerfile::IgnoreLine& line : listing.ignore)
      patterns.push_back(line.pattern);
  }
  listing.paths = ops::list_paths(*context.directory, patterns, std::move(stop));
  return listing;
}

const char* type_of(mode_t mode) {
  if (S_ISDIR(mode)) return "directory";
  if (S_ISLNK(mode)) return "link";
  if (S_ISREG(mode)) return "file";
  return mode == 0 ? "" : "special";
}

std::string to_line(const ops::ListedPath& path, const Listing& listing) {
  nlohmann::ordered_json json{{"path", path.path}, {"kept", path.kept}};
  const std::string type = type_of(path.mode);
  if (!type.empty()) json["type"] = type;
  if (path.kept) {
    json["mode"] = fmt::format("{:04o}", path.mode & 07777U);
    if (S_ISREG(path.mode)) json["size_bytes"] = path.size_bytes;
  }
  if (path.whole) json["whole"] = true;
  if (path.pattern >= 0) {
    const dockerfile::IgnoreLine& line = listing.ignore.at(static_cast<std::size_t>(path.pattern));
    json["pattern"] = line.pattern;
    json["place"] = fmt::format("{}:{}", listing.ignore_name, line.number);
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

asio::awaitable<Finished> list_context(BuildRequest request, Caller& caller, Services& services) {
  Services::Parts& parts = services.parts();
  solver::StepCounter steps;
  const auto step =
      std::make_shared<Step>(caller.events, steps, "list " + shown_url(request.context_name));
  const store::Lease lease(parts.leases);  // of what is fetched
  const BuildContext context = co_await open_context(request, caller, {}, step, parts);
  auto work = [&](std::stop_token stop) {
    return make_listing(context, request.dockerfile_name, caller, std::move(stop));
  };
  const Listing listing = co_await os::offload_cancellable(parts.pool, work);
  std::uint64_t files = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t left_out = 0;
  std::string text;
  for (const ops::ListedPath& path : listing.paths) {
    files += path.kept && !S_ISDIR(path.mode) ? 1 : 0;
    size_bytes += path.size_bytes;
    left_out += path.kept ? 0 : 1;
    text += to_line(path, listing);
    if (text.size() < kEventBytes) continue;
    step->log(1, text);
    text.clear();
  }
  if (!text.empty()) step->log(1, text);
  step->done();
  Finished finished;
  finished.metadata = {{"files", std::to_string(files)},
                       {"size_bytes", std::to_string(size_bytes)},
                       {"left_out", std::to_string(left_out)}};
  co_return finished;
}

}  // namespace kiln
