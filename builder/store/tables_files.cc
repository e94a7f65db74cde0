// The table of file digests: asked for whole contexts at once, on the way of every cached build.
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <tuple>

#include "builder/store/database.h"
#include "builder/store/query.h"
#include "proto/error.h"

namespace kiln::store {

namespace {

using Hash = std::array<std::uint8_t, 32>;

Hash to_hash(const Digest& digest) {
  Hash hash{};
  const std::string_view hex = digest.hex();
  for (std::size_t i = 0; i < hash.size(); ++i)
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, hash[i], 16);
  return hash;
}

struct Key {
  std::int64_t device = 0;
  std::int64_t inode = 0;
  std::size_t index = 0;  ///< in the caller's list

  [[nodiscard]] auto place() const { return std::tuple(device, inode); }
};

Key key_of(const FileIdentity& file, std::size_t index) {
  return {static_cast<std::int64_t>(file.device), static_cast<std::int64_t>(file.inode), index};
}

/// Into the order of the table, so that neighbours are read from the same page.
void sort_as_table(std::vector<Key>& keys) {
  if (!std::ranges::is_sorted(keys, {}, &Key::place)) std::ranges::sort(keys, {}, &Key::place);
}

/// Walks the table forward. The files of a context mostly have neighbouring inodes: going on to the
/// next row costs a tenth of a search. This is SQLite's own interface: a copy of a shared pointer
/// for each column, as SQLiteCpp makes, costs more than the search.
class Cursor {
 public:
  explicit Cursor(SQLite::Database& database) : handle_(database.getHandle()) {
    constexpr const char* kSql =
        "SELECT inode, size_bytes, mtime_ns, ctime_ns, mode, digest FROM file_digests "
        "WHERE device = ? AND inode >= ? ORDER BY inode";
    expect(sqlite3_prepare_v2(handle_, kSql, -1, &statement_, nullptr), SQLITE_OK);
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor() { sqlite3_finalize(statement_); }

  /// To the row of `key`; keys come in the table's order. False when there is none.
  bool find(const Key& key) {
    constexpr int kMaxSteps = 8;
    if (!started_ || device_ != key.device || (has_row_ && inode() < key.inode)) {
      bool near = started_ && device_ == key.device;
      for (int i = 0; near && i < kMaxSteps && has_row_ && inode() < key.inode; ++i)
        step();
      near = near && (!has_row_ || inode() >= key.inode);
      if (!near) seek(key);
    }
    return has_row_ && inode() == key.inode;
  }

  /// The digest of the row when it is of exactly this version of the file.
  [[nodiscard]] std::optional<Digest> digest_of(const FileIdentity& file) const {
    const bool same =
        sqlite3_column_int64(statement_, 1) == static_cast<std::int64_t>(file.size_bytes) &&
        sqlite3_column_int64(statement_, 2) == file.mtime_ns &&
        sqlite3_column_int64(statement_, 3) == file.ctime_ns &&
        sqlite3_column_int64(statement_, 4) == std::int64_t{file.mode};
    Hash hash{};
    if (!same || sqlite3_column_bytes(statement_, 5) != static_cast<int>(hash.size())) {
      return std::nullopt;
    }
    std::memcpy(hash.data(), sqlite3_column_blob(statement_, 5), hash.size());
    return Digest::from_hash(hash);
  }

 private:
  [[nodiscard]] std::int64_t inode() const { return sqlite3_column_int64(statement_, 0); }

  void seek(const Key& key) {
    sqlite3_reset(statement_);
    expect(sqlite3_bind_int64(statement_, 1, key.device), SQLITE_OK);
    expect(sqlite3_bind_int64(statement_, 2, key.inode), SQLITE_OK);
    started_ = true;
    device_ = key.device;
    step();
  }
  void step() {
    const int result = sqlite3_step(statement_);
    has_row_ = result == SQLITE_ROW;
    if (!has_row_) expect(result, SQLITE_DONE);
  }
  void expect(int result, int wanted) const {
    if (result != wanted) throw database_error(SQLite::Exception(handle_, result));
  }

  sqlite3* handle_;
  sqlite3_stmt* statement_ = nullptr;
  bool started_ = false;
  bool has_row_ = false;
  std::int64_t device_ = 0;
};

}  // namespace

std::vector<std::optional<Digest>> Tables::file_digests(const std::vector<FileIdentity>& files) {
  std::vector<Key> keys;
  keys.reserve(files.size());
  for (std::size_t i = 0; i < files.size(); ++i)
    keys.push_back(key_of(files[i], i));
  sort_as_table(keys);
  std::vector<std::optional<Digest>> digests(files.size());
  Cursor cursor(connection_->db);
  for (const Key& key : keys) {
    if (cursor.find(key)) digests[key.index] = cursor.digest_of(files[key.index]);
  }
  return digests;
}

void Tables::put_file_digests(const std::vector<FileDigestRow>& rows) {
  std::vector<Key> keys;
  for (std::size_t i = 0; i < rows.size(); ++i)
    keys.push_back(key_of(rows[i].file, i));
  sort_as_table(keys);
  Query query(connection_->prepared(
      "INSERT INTO file_digests VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (device, inode) "
      "DO UPDATE SET size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, "
      "ctime_ns = excluded.ctime_ns, mode = excluded.mode, digest = excluded.digest"));
  for (const Key& key : keys) {
    const FileIdentity& file = rows[key.index].file;
    const Hash hash = to_hash(rows[key.index].digest);
    query.bind(file.device, file.inode, file.size_bytes, file.mtime_ns, file.ctime_ns, file.mode,
               hash);
    query.run();
    query.again();
  }
}

std::uint64_t Tables::count_file_digests() {
  Query query(connection_->prepared("SELECT count(*) FROM file_digests"));
  return query.step() ? query.size(0) : 0;
}

void Tables::clear_file_digests() {
  Query(connection_->prepared("DELETE FROM file_digests")).run();
}

}  // namespace kiln::store
