// The table of builds.
#include <fmt/format.h>

#include "builder/store/database.h"
#include "builder/store/query.h"

namespace kiln::store {

namespace {

constexpr std::string_view kColumns =
    "id, status, summary, image_digest, error, started_ns, finished_ns, target, names, steps, "
    "cached_steps";

BuildRow read_build(const Query& query) {
  return {query.text(0), query.text(1),    query.text(2),    query.text(3),
          query.text(4), query.integer(5), query.integer(6), query.text(7),
          query.text(8), query.integer(9), query.integer(10)};
}

}  // namespace

void Tables::put_build(const BuildRow& row) {
  static const std::string sql = fmt::format(
      "INSERT OR REPLACE INTO builds ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", kColumns);
  Query(connection_->prepared(sql.c_str()))
      .bind(row.id, row.status, row.summary, row.image_digest, row.error, row.started_ns,
            row.finished_ns, row.target, row.names, row.steps, row.cached_steps)
      .run();
}

std::vector<BuildRow> Tables::builds() {
  static const std::string sql =
      fmt::format("SELECT {} FROM builds ORDER BY started_ns DESC, id", kColumns);
  Query query(connection_->prepared(sql.c_str()));
  std::vector<BuildRow> rows;
  while (query.step())
    rows.push_back(read_build(query));
  return rows;
}

std::vector<BuildRow> Tables::builds_like(std::string_view id) {
  static const std::string newest =
      fmt::format("SELECT {} FROM builds ORDER BY started_ns DESC, id LIMIT 1", kColumns);
  static const std::string like = fmt::format(
      "SELECT {} FROM builds WHERE substr(id, 1, length(?1)) = ?1 ORDER BY started_ns DESC LIMIT 2",
      kColumns);
  const bool any = id.empty() || id == "latest";
  Query query(connection_->prepared(any ? newest.c_str() : like.c_str()));
  if (!any) query.bind(id);
  std::vector<BuildRow> rows;
  while (query.step())
    rows.push_back(read_build(query));
  return rows;
}

bool Tables::remove_build(std::string_view id) {
  Query query(connection_->prepared(
      "DELETE FROM builds WHERE id = ? AND status <> 'running' RETURNING id"));
  query.bind(id);
  const bool removed = query.step();
  while (removed && query.step()) {
  }
  return removed;
}

std::vector<std::string> Tables::running_builds() {
  Query query(connection_->prepared("SELECT id FROM builds WHERE status = 'running'"));
  std::vector<std::string> ids;
  while (query.step())
    ids.push_back(query.text(0));
  return ids;
}

void Tables::end_running_builds(std::string_view error) {
  Query(connection_->prepared(
            "UPDATE builds SET status = 'interrupted', error = ? WHERE status = 'running'"))
      .bind(error)
      .run();
}

}  // namespace kiln::store
