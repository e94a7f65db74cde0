// The table of cache records.
#include <fmt/format.h>

#include "builder/store/database.h"
#include "builder/store/query.h"
#include "proto/error.h"

namespace kiln::store {

namespace {

constexpr std::string_view kColumns = "id, key, name, parts, created_ns, last_used_ns, content_key";

RecordRow read_record(const Query& query) {
  return {query.text(1),    {},           query.text(2), query.text(3), query.integer(4),
          query.integer(5), query.text(6)};
}

/// The record of a query for kColumns, with its layers.
std::optional<RecordRow> only_record(Connection& connection, Query& query) {
  if (!query.step()) return std::nullopt;
  const std::int64_t id = query.integer(0);
  RecordRow row = read_record(query);
  Query layers(
      connection.prepared("SELECT layer FROM record_layers WHERE record = ? ORDER BY position"));
  layers.bind(id);
  while (layers.step())
    row.layers.push_back(LayerId{layers.integer(0)});
  return row;
}

}  // namespace

std::optional<RecordRow> Tables::record(std::string_view key) {
  static const std::string sql = fmt::format("SELECT {} FROM records WHERE key = ?", kColumns);
  Query query(connection_->prepared(sql.c_str()));
  query.bind(key);
  return only_record(*connection_, query);
}

std::optional<RecordRow> Tables::record_by_content(std::string_view content_key) {
  static const std::string sql = fmt::format(
      "SELECT {} FROM records WHERE content_key = ? AND content_key <> '' ORDER BY id DESC LIMIT 1",
      kColumns);
  Query query(connection_->prepared(sql.c_str()));
  query.bind(content_key);
  return only_record(*connection_, query);
}

std::vector<RecordRow> Tables::records_named(std::string_view title,
                                             std::string_view prefix,
                                             int limit) {
  // As the index has it: what stands behind "[stage 2/5] ", or the whole name.
  static const std::string named = fmt::format(
      "SELECT {} FROM records WHERE "
      "substr(name, instr(name, '] ') + 2 * (instr(name, '] ') > 0)) = ? "
      "ORDER BY id DESC LIMIT ?",
      kColumns);
  static const std::string alike = fmt::format(
      "SELECT {} FROM records WHERE name > ?1 AND name < ?1 || x'ff' "
      "AND substr(name, instr(name, '] ') + 2 * (instr(name, '] ') > 0)) <> ?2 "
      "ORDER BY id DESC LIMIT ?3",
      kColumns);
  std::vector<RecordRow> rows;
  Query exact(connection_->prepared(named.c_str()));
  exact.bind(title, std::int64_t{limit});
  while (exact.step())
    rows.push_back(read_record(exact));
  Query other(connection_->prepared(alike.c_str()));
  other.bind(prefix, title, std::int64_t{limit});
  while (other.step())
    rows.push_back(read_record(other));
  Query lists(connection_->prepared(
      "SELECT list FROM record_files JOIN records ON record = id WHERE key = ? ORDER BY list"));
  for (RecordRow& row : rows) {
    lists.bind(row.key);
    while (lists.step())
      row.file_lists.push_back(lists.text(0));
    lists.again();
  }
  return rows;
}

bool Tables::is_file_list_used(std::string_view list) {
  Query query(connection_->prepared("SELECT 1 FROM record_files WHERE list = ? LIMIT 1"));
  query.bind(list);
  return query.step();
}

void Tables::put_record(const RecordRow& row) {
  ++connection_->writes;
  std::int64_t id = 0;
  {
    Query query(connection_->prepared(
        "INSERT INTO records (key, content_key, name, parts, created_ns, last_used_ns, generation) "
        "SELECT ?, ?, ?, ?, ?, ?, CAST(value AS INTEGER) FROM meta WHERE name = 'generation' "
        "ON CONFLICT (key) DO UPDATE SET content_key = excluded.content_key, "
        "name = excluded.name, parts = excluded.parts, "
        "created_ns = excluded.created_ns, last_used_ns = excluded.last_used_ns, "
        "generation = excluded.generation RETURNING id"));
    query.bind(row.key, row.content_key, row.name, row.parts, row.created_ns, row.last_used_ns);
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
  Query(connection_->prepared("DELETE FROM record_files WHERE record = ?")).bind(id).run();
  Query files(connection_->prepared("INSERT OR IGNORE INTO record_files VALUES (?, ?)"));
  for (const std::string& list : row.file_lists) {
    files.bind(id, list).run();
    files.again();
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
    static const std::string sql = fmt::format("SELECT {} FROM records ORDER BY id", kColumns);
    Query query(connection_->prepared(sql.c_str()));
    while (query.step()) {
      ids.push_back(query.integer(0));
      rows.push_back(read_record(query));
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
