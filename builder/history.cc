#include "builder/history.h"

#include <algorithm>

#include "builder/history_log.h"
#include "builder/os/offload.h"
#include "builder/services_parts.h"
#include "builder/store/histories.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kPartBytes = 1024 * 1024;

std::vector<std::string> split(std::string_view words) {
  std::vector<std::string> parts;
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    if (end > 0) parts.emplace_back(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return parts;
}

BuildSummary to_summary(const store::BuildRow& row) {
  BuildSummary build;
  build.id = row.id;
  build.status = row.status;
  build.context = row.summary;
  build.target = row.target;
  build.names = split(row.names);
  build.image_digest = row.image_digest;
  build.error = row.error;
  build.started = os::to_rfc3339(row.started_ns);
  if (row.finished_ns > 0) build.duration_ns = row.finished_ns - row.started_ns;
  if (row.status == "running") build.duration_ns = os::now_ns() - row.started_ns;
  build.steps = static_cast<std::uint64_t>(row.steps);
  build.cached_steps = static_cast<std::uint64_t>(row.cached_steps);
  return build;
}

asio::awaitable<store::BuildRow> find_build(std::string id, Services::Parts& parts) {
  auto find = [&id](store::Tables& tables) { return tables.builds_like(id); };
  std::vector<store::BuildRow> found = co_await parts.store.database().run(find);
  if (found.empty() && (id.empty() || id == "latest"))
    throw Error(Errc::not_found, "there is no build yet");
  if (found.empty()) throw Error(Errc::not_found, "build {}: there is none; see `kiln builds`", id);
  if (found.size() > 1 && found[0].id != id)
    throw Error(Errc::invalid_input, "build {}: more than one begins so; give more of it", id);
  co_return std::move(found.front());
}

std::filesystem::path log_of(const store::BuildRow& row, const Services::Parts& parts) {
  return parts.store.build_path(row.id) / "events.ndjson";
}

}  // namespace

asio::awaitable<std::vector<BuildSummary>> list_builds(Services& services) {
  auto read = [](store::Tables& tables) { return tables.builds(); };
  std::vector<BuildSummary> builds;
  for (const store::BuildRow& row : co_await services.parts().store.database().run(read))
    builds.push_back(to_summary(row));
  co_return builds;
}

asio::awaitable<BuildDetail> show_build(std::string id, Services& services) {
  Services::Parts& parts = services.parts();
  const store::BuildRow row = co_await find_build(std::move(id), parts);
  const std::string unfinished = row.status == "running" ? "running" : "interrupted";
  auto read = [&] { return read_detail(log_of(row, parts), unfinished); };
  BuildDetail detail = co_await os::offload(parts.pool, read);
  const BuildSummary logged = std::exchange(detail.build, to_summary(row));
  // How long a build took that the daemon did not see to its end, only its log knows.
  if (row.finished_ns == 0) {
    detail.build.steps = logged.steps;
    detail.build.cached_steps = logged.cached_steps;
    if (row.status != "running") detail.build.duration_ns = logged.duration_ns;
  }
  co_return detail;
}

asio::awaitable<std::string> read_build_log(std::string id,
                                            std::uint64_t offset,
                                            Services& services) {
  Services::Parts& parts = services.parts();
  // Asked first: what a build says before it ends is read when it is found running.
  const store::BuildRow row = co_await find_build(std::move(id), parts);
  auto read = [&] { return read_log_lines(log_of(row, parts), offset, kPartBytes); };
  const std::string lines = co_await os::offload(parts.pool, read);
  co_return build_log_part_json(offset + lines.size(), row.status == "running", lines);
}

asio::awaitable<BuildsRemoved> remove_build(std::string id, Services& services) {
  Services::Parts& parts = services.parts();
  const store::BuildRow row = co_await find_build(std::move(id), parts);
  if (row.status == "running")
    throw Error(Errc::invalid_input, "build {}: it is running; stop it first", row.id);
  auto remove = [&] { return store::remove_histories(parts.store, {row.id}); };
  const store::HistoriesRemoved removed = co_await os::offload(parts.pool, remove);
  co_return BuildsRemoved{removed.count, removed.freed_bytes};
}

}  // namespace kiln
