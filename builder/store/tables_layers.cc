// The tables of layers and of the generations that tell what a power cut can have lost.
#include "builder/os/file.h"
#include "builder/store/database.h"
#include "builder/store/query.h"
#include "proto/error.h"

namespace kiln::store {

namespace {

LayerRow read_layer(const Query& query) {
  LayerRow row;
  row.id = LayerId{query.integer(0)};
  if (auto diff_id = query.optional_digest(1)) row.diff_id = DiffId{std::move(*diff_id)};
  row.blob = query.optional_digest(2);
  row.media_type = query.text(3);
  row.blob_bytes = query.size(4);
  row.has_snapshot = query.integer(5) != 0;
  row.snapshot_bytes = query.size(6);
  row.origin = query.text(7);
  row.created_ns = query.integer(8);
  row.delta_of = LayerId{query.integer(9)};
  row.predecessor = LayerId{query.integer(10)};
  return row;
}

}  // namespace

LayerId Tables::add_layer(const LayerRow& row) {
  ++connection_->writes;
  Query query(connection_->prepared(
      "INSERT INTO layers (diff_id, blob, media_type, blob_bytes, has_snapshot, snapshot_bytes, "
      "origin, created_ns, delta_of, predecessor, generation, snapshot_generation) "
      "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(value AS INTEGER), CAST(value AS INTEGER) FROM "
      "meta "
      "WHERE name = 'generation'"));
  query
      .bind(row.diff_id, row.blob, row.media_type, row.blob_bytes, row.has_snapshot,
            row.snapshot_bytes, row.origin, row.created_ns, row.delta_of, row.predecessor)
      .run();
  return LayerId{connection_->db.getLastInsertRowid()};
}

std::optional<LayerRow> Tables::layer(LayerId id) {
  Query query(connection_->prepared(
      "SELECT id, diff_id, blob, media_type, blob_bytes, has_snapshot, "
      "snapshot_bytes, origin, created_ns, delta_of, predecessor FROM layers WHERE id = ?"));
  query.bind(id);
  if (!query.step()) return std::nullopt;
  return read_layer(query);
}

std::uint64_t Tables::sum_snapshot_bytes() {
  Query query(connection_->prepared(
      "SELECT coalesce(sum(snapshot_bytes), 0) FROM layers WHERE has_snapshot"));
  return query.step() ? query.size(0) : 0;
}

void Tables::mark_found(const std::vector<LayerId>& layers) {
  const std::int64_t now = os::now_ns();
  for (const LayerId layer : layers)
    connection_->found.layers_ns[layer] = now;
}

std::vector<LayerRow> Tables::layers() {
  Query query(connection_->prepared(
      "SELECT id, diff_id, blob, media_type, blob_bytes, has_snapshot, "
      "snapshot_bytes, origin, created_ns, delta_of, predecessor FROM layers ORDER BY id"));
  std::vector<LayerRow> rows;
  while (query.step())
    rows.push_back(read_layer(query));
  return rows;
}

std::optional<LayerRow> Tables::layer_by_diff_id(const DiffId& diff_id) {
  // Of several, the one that saves most work; of equals the newest: an older one may have been
  // refused.
  Query query(connection_->prepared(
      "SELECT id, diff_id, blob, media_type, blob_bytes, has_snapshot, snapshot_bytes, origin, "
      "created_ns, delta_of, predecessor FROM layers WHERE diff_id = ? "
      "ORDER BY has_snapshot DESC, blob IS NULL, id DESC LIMIT 1"));
  query.bind(diff_id);
  if (!query.step()) return std::nullopt;
  LayerRow row = read_layer(query);
  connection_->found.layers_ns[row.id] = os::now_ns();
  return row;
}

void Tables::set_layer_blob(LayerId id,
                            const DiffId& diff_id,
                            const Digest& blob,
                            std::string_view media_type,
                            std::uint64_t blob_bytes) {
  ++connection_->writes;
  Query(connection_->prepared(
            "UPDATE layers SET diff_id = ?, blob = ?, media_type = ?, blob_bytes = ? "
            "WHERE id = ?"))
      .bind(diff_id, blob, media_type, blob_bytes, id)
      .run();
}

void Tables::set_layer_snapshot(LayerId id,
                                bool has_snapshot,
                                std::uint64_t snapshot_bytes,
                                LayerId delta_of) {
  ++connection_->writes;
  Query(connection_->prepared(
            "UPDATE layers SET has_snapshot = ?, snapshot_bytes = ?, delta_of = ?, "
            "snapshot_generation = "
            "(SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'generation') WHERE id = ?"))
      .bind(has_snapshot, snapshot_bytes, delta_of, id)
      .run();
}

void Tables::remove_layer(LayerId id) {
  Query(connection_->prepared("DELETE FROM layers WHERE id = ?")).bind(id).run();
  connection_->found.layers_ns.erase(id);
}

void Tables::set_implied_directories(LayerId id, const std::vector<std::string>& paths) {
  Query(connection_->prepared("DELETE FROM implied_directories WHERE layer = ?")).bind(id).run();
  for (const std::string& path : paths) {
    Query(connection_->prepared("INSERT INTO implied_directories VALUES (?, CAST(? AS BLOB))"))
        .bind(id, path)
        .run();
  }
}

std::vector<std::string> Tables::implied_directories(LayerId id) {
  Query query(
      connection_->prepared("SELECT path FROM implied_directories WHERE layer = ? ORDER BY path"));
  query.bind(id);
  std::vector<std::string> paths;
  while (query.step())
    paths.emplace_back(query.bytes(0));
  return paths;
}

bool Tables::has_implied_directories(LayerId id) {
  Query query(connection_->prepared("SELECT 1 FROM implied_directories WHERE layer = ? LIMIT 1"));
  query.bind(id);
  return query.step();
}

std::int64_t Tables::advance_generation() {
  Query query(
      connection_->prepared("UPDATE meta SET value = CAST(value AS INTEGER) + 1 "
                            "WHERE name = 'generation' RETURNING CAST(value AS INTEGER)"));
  check(query.step(), "the database has a generation");
  connection_->writes_before_advance = connection_->writes;
  return query.integer(0) - 1;
}

void Tables::set_synced(std::int64_t generation, std::int64_t now_ns) {
  set_meta("synced", std::to_string(generation));
  set_meta("synced_ns", std::to_string(now_ns));
  connection_->writes_synced = connection_->writes_before_advance;
}

bool Tables::has_unsynced() const noexcept {
  return connection_->writes != connection_->writes_synced;
}

Tables::Dropped Tables::drop_unsynced() {
  constexpr const char* kAbove =
      "> (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'synced')";
  static const std::string kImages = std::string("DELETE FROM images WHERE generation ") + kAbove;
  static const std::string kResolutions =
      std::string("DELETE FROM resolutions WHERE generation ") + kAbove;
  static const std::string kRecords = std::string("DELETE FROM records WHERE generation ") + kAbove;
  static const std::string kLayers = std::string("DELETE FROM layers WHERE generation ") + kAbove;
  static const std::string kSnapshots =
      std::string(
          "UPDATE layers SET has_snapshot = 0 WHERE has_snapshot AND snapshot_generation ") +
      kAbove;
  const auto run = [this](const std::string& sql) {
    return Query(connection_->prepared(sql.c_str())).run();
  };
  Dropped dropped;
  dropped.images = run(kImages);
  dropped.resolutions = run(kResolutions);
  dropped.records = run(kRecords);
  dropped.layers = run(kLayers);
  dropped.snapshots = run(kSnapshots);
  return dropped;
}

void Tables::drop_useless() {
  Query(connection_->prepared(
            "UPDATE layers SET has_snapshot = 0, delta_of = 0 WHERE delta_of <> 0 AND delta_of NOT "
            "IN (SELECT id FROM layers WHERE has_snapshot AND delta_of = 0)"))
      .run();
  Query(connection_->prepared(
            "DELETE FROM copies WHERE whole NOT IN (SELECT id FROM layers WHERE has_snapshot AND "
            "delta_of = 0)"))
      .run();
  Query(connection_->prepared("DELETE FROM layers WHERE NOT has_snapshot AND blob IS NULL")).run();
  Query(connection_->prepared(
            "DELETE FROM records WHERE id IN (SELECT record FROM record_layers WHERE "
            "layer NOT IN (SELECT id FROM layers))"))
      .run();
}

}  // namespace kiln::store
