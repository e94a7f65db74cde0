// The connection, its transactions, and the tables of images and resolutions.
#include <fmt/format.h>

#include <cstddef>

#include "builder/os/file.h"
#include "builder/store/database.h"
#include "builder/store/query.h"
#include "builder/store/schema.h"
#include "proto/error.h"

namespace kiln::store {

namespace {

void migrate(Connection& connection) {
  std::int64_t version = 0;
  {
    Query query(connection.prepared("PRAGMA user_version"));
    if (query.step()) version = query.integer(0);
  }
  const auto steps = schema_steps();
  const auto newest = static_cast<std::int64_t>(steps.size());
  if (version > newest) {
    throw Error(Errc::invalid_input,
                "the store's database has version {}, this program knows up to {}: use the newer "
                "kilnd that wrote it, or another root",
                version, newest);
  }
  for (; version < newest; ++version) {
    connection.execute("BEGIN IMMEDIATE");
    connection.execute(steps[static_cast<std::size_t>(version)]);
    connection.execute(fmt::format("PRAGMA user_version = {}; COMMIT", version + 1).c_str());
  }
}

/// Reads the whole file, so only when the last owner did not get to close it.
void check_integrity(Connection& connection) {
  Query query(connection.prepared("PRAGMA quick_check(1)"));
  if (query.step() && query.bytes(0) == "ok") return;
  throw Error(Errc::corrupt, "the store's database is damaged: {}", query.text(0));
}

}  // namespace

Tables::Tables(const std::filesystem::path& file)
    : connection_(std::make_unique<Connection>(file)) {
  // WAL with NORMAL: a kill loses nothing; a power cut loses the last transactions, never the
  // order. source: sqlite.org/pragma.html#pragma_synchronous
  connection_->execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
      "PRAGMA journal_size_limit = 16777216; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = "
      "-32000; PRAGMA temp_store = 2");
  migrate(*connection_);
  if (meta("clean") != "1") {
    check_integrity(*connection_);
    connection_->writes = 1;  // the last owner's, perhaps
  }
}

Tables::~Tables() = default;

const Tables::Found& Tables::found() const noexcept {
  return connection_->found;
}

void Tables::release_memory() {
  connection_->execute("PRAGMA shrink_memory");
}

void Tables::begin() {
  Query(connection_->prepared("BEGIN IMMEDIATE")).run();
}

void Tables::commit() {
  try {
    Query(connection_->prepared("COMMIT")).run();
  } catch (...) {
    rollback();
    throw;
  }
}

void Tables::rollback() noexcept {
  try {
    Query(connection_->prepared("ROLLBACK")).run();
  } catch (const std::exception&) {
    return;  // SQLite has rolled back by itself (a full disk): there is no transaction any more
  }
}

std::optional<std::string> Tables::meta(std::string_view name) {
  Query query(connection_->prepared("SELECT value FROM meta WHERE name = ?"));
  query.bind(name);
  if (!query.step()) return std::nullopt;
  return query.text(0);
}

void Tables::set_meta(std::string_view name, std::string_view value) {
  Query(connection_->prepared("INSERT INTO meta VALUES (?, ?) "
                              "ON CONFLICT (name) DO UPDATE SET value = excluded.value"))
      .bind(name, value)
      .run();
}

namespace {

ImageRow read_image(const Query& query) {
  return {query.text(0), query.digest(1), query.text(2), query.size(3), query.integer(4)};
}

}  // namespace

std::optional<ImageRow> Tables::image(std::string_view reference) {
  Query query(
      connection_->prepared("SELECT reference, manifest, media_type, size_bytes, created_ns "
                            "FROM images WHERE reference = ?"));
  query.bind(reference);
  if (!query.step()) return std::nullopt;
  return read_image(query);
}

std::vector<ImageRow> Tables::images() {
  Query query(
      connection_->prepared("SELECT reference, manifest, media_type, size_bytes, created_ns "
                            "FROM images ORDER BY reference"));
  std::vector<ImageRow> rows;
  while (query.step())
    rows.push_back(read_image(query));
  return rows;
}

void Tables::put_image(const ImageRow& row) {
  if (const auto known = image(row.reference); known && known->manifest == row.manifest) {
    Query(connection_->prepared("UPDATE images SET media_type = ?, size_bytes = ?, created_ns = ? "
                                "WHERE reference = ?"))
        .bind(row.media_type, row.size_bytes, row.created_ns, row.reference)
        .run();
    return;
  }
  ++connection_->writes;
  Query(connection_->prepared(
            "INSERT INTO images SELECT ?, ?, ?, ?, ?, CAST(value AS INTEGER) FROM meta "
            "WHERE name = 'generation' ON CONFLICT (reference) DO UPDATE SET "
            "manifest = excluded.manifest, media_type = excluded.media_type, "
            "size_bytes = excluded.size_bytes, created_ns = excluded.created_ns, "
            "generation = excluded.generation"))
      .bind(row.reference, row.manifest, row.media_type, row.size_bytes, row.created_ns)
      .run();
}

bool Tables::remove_image(std::string_view reference) {
  return Query(connection_->prepared("DELETE FROM images WHERE reference = ?"))
             .bind(reference)
             .run() > 0;
}

namespace {

ResolutionRow read_resolution(const Query& query) {
  return {query.text(0), query.text(1), query.digest(2), query.integer(3)};
}

}  // namespace

std::optional<ResolutionRow> Tables::resolution(std::string_view reference,
                                                std::string_view platform) {
  Query query(
      connection_->prepared("SELECT reference, platform, manifest, resolved_ns FROM resolutions "
                            "WHERE reference = ? AND platform = ?"));
  query.bind(reference, platform);
  if (!query.step()) return std::nullopt;
  connection_->found.resolutions_ns[{std::string(reference), std::string(platform)}] = os::now_ns();
  return read_resolution(query);
}

void Tables::put_resolution(const ResolutionRow& row) {
  const auto known = resolution(row.reference, row.platform);
  if (known && known->manifest == row.manifest) {
    Query(connection_->prepared("UPDATE resolutions SET resolved_ns = ? "
                                "WHERE reference = ? AND platform = ?"))
        .bind(row.resolved_ns, row.reference, row.platform)
        .run();
    return;
  }
  ++connection_->writes;
  Query(connection_->prepared(
            "INSERT INTO resolutions SELECT ?, ?, ?, ?, CAST(value AS INTEGER) FROM meta "
            "WHERE name = 'generation' ON CONFLICT (reference, platform) DO UPDATE SET "
            "manifest = excluded.manifest, resolved_ns = excluded.resolved_ns, "
            "generation = excluded.generation"))
      .bind(row.reference, row.platform, row.manifest, row.resolved_ns)
      .run();
}

std::vector<ResolutionRow> Tables::resolutions() {
  Query query(
      connection_->prepared("SELECT reference, platform, manifest, resolved_ns FROM resolutions "
                            "ORDER BY reference, platform"));
  std::vector<ResolutionRow> rows;
  while (query.step())
    rows.push_back(read_resolution(query));
  return rows;
}

void Tables::remove_resolution(std::string_view reference, std::string_view platform) {
  Query(connection_->prepared("DELETE FROM resolutions WHERE reference = ? AND platform = ?"))
      .bind(reference, platform)
      .run();
}

}  // namespace kiln::store
