-- The database of a store, version 1 (PRAGMA user_version). schema_steps.cc holds the steps
-- that bring an older file to the newest version; this file is the first of them.
--
-- Digests of images and layers are text ("sha256:" and 64 hex digits), so that a person can read
-- them; those of the many files are 32 raw bytes. Times are nanoseconds since 1970 UTC, sizes are
-- bytes, 0 for a truth value is false. 64-bit unsigned numbers are kept in the same bits, signed.
--
-- "generation" says after which Store::sync() a row was written: rows of a generation above
-- meta('synced') may name files that a power cut has lost.

-- name       value
-- generation the number that rows get now
-- synced     the last generation that is known to be on the disk with all of its files
-- synced_ns  when that was
-- clean      1: the store was closed and everything was on the disk
-- boot_id    of the machine's run in which the store was opened last (random/boot_id of /proc)
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

-- A number is never used twice (AUTOINCREMENT): a directory that is still being removed must not be
-- taken for a new layer's.
CREATE TABLE layers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  diff_id TEXT,                         -- NULL: not known yet
  blob TEXT,                            -- NULL: none was made; the file itself may be elsewhere
  media_type TEXT NOT NULL,
  blob_bytes INTEGER NOT NULL,
  has_snapshot INTEGER NOT NULL,        -- 1: snapshots/ID is whole
  snapshot_bytes INTEGER NOT NULL,
  origin TEXT NOT NULL,                 -- registry/repository, '' when made here
  created_ns INTEGER NOT NULL,
  generation INTEGER NOT NULL,          -- of the row
  snapshot_generation INTEGER NOT NULL  -- of the snapshot
);
CREATE INDEX layers_by_diff_id ON layers (diff_id) WHERE diff_id IS NOT NULL;

CREATE TABLE records (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  parts TEXT NOT NULL,                  -- JSON
  created_ns INTEGER NOT NULL,
  last_used_ns INTEGER NOT NULL,
  generation INTEGER NOT NULL
);
-- The layers of a record, bottom first. A layer that is gone makes the record useless, not wrong.
CREATE TABLE record_layers (
  record INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  layer INTEGER NOT NULL,
  PRIMARY KEY (record, position)
) WITHOUT ROWID;
CREATE INDEX record_layers_by_layer ON record_layers (layer);

CREATE TABLE images (
  reference TEXT PRIMARY KEY,
  manifest TEXT NOT NULL,               -- digest of a manifest or an index
  media_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  generation INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE resolutions (
  reference TEXT NOT NULL,
  platform TEXT NOT NULL,
  manifest TEXT NOT NULL,
  resolved_ns INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  PRIMARY KEY (reference, platform)
) WITHOUT ROWID;

CREATE TABLE file_digests (
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL,
  mode INTEGER NOT NULL,
  digest BLOB NOT NULL,                 -- 32 bytes of SHA-256
  PRIMARY KEY (device, inode)
) WITHOUT ROWID;

CREATE TABLE builds (
  id TEXT PRIMARY KEY,
  status TEXT NOT NULL,                 -- running, done, failed, cancelled
  summary TEXT NOT NULL,
  image_digest TEXT NOT NULL,
  error TEXT NOT NULL,
  started_ns INTEGER NOT NULL,
  finished_ns INTEGER NOT NULL          -- 0 while it runs
) WITHOUT ROWID;

INSERT INTO meta VALUES ('generation', '1'), ('synced', '0'), ('synced_ns', '0'), ('clean', '0'), ('boot_id', '');
