#include <array>

#include "builder/store/schema.h"

namespace kiln::store {

std::span<const char* const> schema_steps() {
  static const std::array<const char*, 6> steps{
      kSchemaSql,
      "ALTER TABLE records ADD COLUMN content_key TEXT NOT NULL DEFAULT '';"
      "CREATE INDEX records_by_content ON records (content_key) WHERE content_key <> '';",
      // Those of a layer's directories that its tar has no entry for; of no other layer's snapshot.
      "CREATE TABLE implied_directories (layer INTEGER NOT NULL REFERENCES layers (id) ON DELETE "
      "CASCADE, path BLOB NOT NULL, PRIMARY KEY (layer, path)) WITHOUT ROWID;",
      // What builds are listed with; the nearest record of a step that is not in the cache is
      // looked for by name; the file lists (store/file_lists.h) that records were made of.
      "ALTER TABLE builds ADD COLUMN target TEXT NOT NULL DEFAULT '';"
      "ALTER TABLE builds ADD COLUMN names TEXT NOT NULL DEFAULT '';"
      "ALTER TABLE builds ADD COLUMN steps INTEGER NOT NULL DEFAULT 0;"
      "ALTER TABLE builds ADD COLUMN cached_steps INTEGER NOT NULL DEFAULT 0;"
      "CREATE INDEX builds_by_start ON builds (started_ns);"
      "CREATE INDEX records_by_name ON records (name);"
      "CREATE INDEX records_by_title ON records (substr(name, instr(name, '] ') + 2 * (instr(name, "
      "'] ') > 0)));"
      "CREATE TABLE record_files (record INTEGER NOT NULL REFERENCES records (id) ON DELETE "
      "CASCADE, "
      "list TEXT NOT NULL, PRIMARY KEY (record, list)) WITHOUT ROWID;"
      "CREATE INDEX record_files_by_list ON record_files (list);",
      // Snapshots that are a difference from another layer's (0: none), and what makes the next run
      // of an instruction quick.
      "ALTER TABLE layers ADD COLUMN delta_of INTEGER NOT NULL DEFAULT 0;"
      "ALTER TABLE layers ADD COLUMN predecessor INTEGER NOT NULL DEFAULT 0;"
      "CREATE TABLE layer_blocks (layer INTEGER PRIMARY KEY REFERENCES layers (id) ON DELETE "
      "CASCADE, "
      "blocks BLOB NOT NULL);"
      "CREATE TABLE copies (instruction TEXT PRIMARY KEY, whole INTEGER NOT NULL REFERENCES layers "
      "(id) ON DELETE CASCADE, files BLOB NOT NULL, newest INTEGER NOT NULL);"
      "CREATE INDEX copies_by_whole ON copies (whole);",
      // The digests of files whose inode numbers are neighbours, in one row (tables_files.cc).
      "DROP TABLE file_digests;"
      "CREATE TABLE file_blocks (id INTEGER PRIMARY KEY, device INTEGER NOT NULL, block INTEGER "
      "NOT "
      "NULL, files BLOB NOT NULL, UNIQUE (device, block));"};
  return steps;
}

}  // namespace kiln::store
