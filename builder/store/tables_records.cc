// The table of cache records.
#include "builder/os/file.h"
#include "builder/store/database.h"
#include "builder/store/query.h"
#include "proto/error.h"

namespace kiln::store {

std::optional<RecordRow> Tables::record(std::string_view key) {
  RecordRow row;
  std::int64_t id = 0;
  {
    Query query(
        connection_->prepared("SELECT id, key, name, parts, created_ns, last_used_ns "
                              "FROM records WHERE key = ?"));
    query.bind(key);
    if (!query.step()) return std::nullopt;
    id = query.integer(0);
    row = {query.text(1), {}, query.text(2), query.text(3), query.integer(4), query.integer(5)};
  }
  Query query(
      connection_->prepared("SELECT layer FROM record_layers WHERE record = ? ORDER BY position"));
  query.bind(id);
  const std::int64_t now = os::now_ns();
  while (query.step()) {
    row.layers.push_back(LayerId{query.integer(0)});
    connection_->found.layers_ns[row.layers.back()] = now;
  }
  return row;
}

void Tables::put_record(const RecordRow& row) {
  ++connection_->writes;
  std::int64_t id = 0;
  {
    Query query(connection_->prepared(
        "INSERT INTO records (key, name, parts, created_ns, last_used_ns, generation) "
        "SELECT ?, ?, ?, ?, ?, CAST(value AS INTEGER) FROM meta WHERE name = 'generation' "
        "ON CONFLICT (key) DO UPDATE SET name = excluded.name, parts = excluded.parts, "
        "created_ns = excluded.created_ns, last_used_ns = excluded.last_used_ns, "
        "generation = excluded.generation RETURNING id"));
    query.bind(row.key, row.name, row.parts, row.created_ns, row.last_used_ns);
    check(query.step(), "an inserted record has an id");
    id = query.integer(0);
    while (query.step()) {
    }
  }
  Query(connection_->prepared("DELETE FROM record_layers WHERE record = ?")).bind(id).run();
  Query insert(connection_->prepared("INSERT INTO record_layers VALUES (?, ?, ?)"));
  std::int64_t position = 0;
  for (const LayerId layer : row.layers) {
    insert.bind(id, position++, layer).run();
    insert.again();
  }
}

void Tables::touch_record(std::string_view key, std::int64_t now_ns) {
  Query(
      connection_->prepared("UPDATE records SET last_used_ns = max(last_used_ns, ?) WHERE key = ?"))
      .bind(now_ns, key)
      .run();
}

void Tables::remove_record(std::string_view key) {
  Query(connection_->prepared("DELETE FROM records WHERE key = ?")).bind(key).run();
}

std::vector<RecordRow> Tables::records() {
  std::vector<RecordRow> rows;
  std::vector<std::int64_t> ids;
  {
    Query query(
        connection_->prepared("SELECT id, key, name, parts, created_ns, last_used_ns "
                              "FROM records ORDER BY id"));
    while (query.step()) {
      ids.push_back(query.integer(0));
      rows.push_back(
          {query.text(1), {}, query.text(2), query.text(3), query.integer(4), query.integer(5)});
    }
  }
  Query query(
      connection_->prepared("SELECT record, layer FROM record_layers ORDER BY record, position"));
  std::size_t at = 0;
  while (query.step()) {
    while (at < ids.size() && ids[at] < query.integer(0))
      ++at;
    if (at < ids.size() && ids[at] == query.integer(0)) {
      rows[at].layers.push_back(LayerId{query.integer(1)});
    }
  }
  return rows;
}

}  // namespace kiln::store
