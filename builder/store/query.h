// One use of a prepared statement. Internal to the tables: the only header here that knows SQLite.
//
// Whatever SQLite reports becomes an Error: corrupt for a damaged file, unavailable for a disk that
// is full or failing, internal for a mistake in a statement.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "builder/store/database.h"
#include "proto/error.h"

namespace kiln::store {

/// The Error for what SQLite threw.
[[nodiscard]] Error database_error(const SQLite::Exception& exception);

/// Binds, steps, reads; resets the statement when it goes.
class Query {
 public:
  explicit Query(SQLite::Statement& statement) : statement_(statement) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() { statement_.tryReset(); }

  /// Binds all parameters, in order.
  template <class... Values>
  Query& bind(const Values&... values) {
    int index = 0;
    try {
      (put(++index, values), ...);
    } catch (const SQLite::Exception& exception) {
      throw database_error(exception);
    }
    return *this;
  }
  /// To the next row; false at the end.
  bool step();
  /// Runs a statement that gives no rows; returns how many rows it changed.
  int run();
  /// For the next bind() of the same statement.
  void again() { statement_.tryReset(); }

  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::uint64_t size(int column) const {
    return static_cast<std::uint64_t>(integer(column));
  }
  [[nodiscard]] bool null(int column) const;
  /// The bytes of the column, valid until the next step.
  [[nodiscard]] std::string_view bytes(int column) const;
  /// A digest as text; Error{corrupt} when it is not one.
  [[nodiscard]] Digest digest(int column) const;
  [[nodiscard]] std::optional<Digest> optional_digest(int column) const;

 private:
  void put(int index, std::int64_t value) { statement_.bind(index, value); }
  void put(int index, std::uint64_t value) {
    statement_.bind(index, static_cast<std::int64_t>(value));
  }
  void put(int index, std::uint32_t value) {
    statement_.bind(index, static_cast<std::int64_t>(value));
  }
  void put(int index, bool value) { statement_.bind(index, value ? 1 : 0); }
  void put(int index, LayerId value) { statement_.bind(index, static_cast<std::int64_t>(value)); }
  void put(int index, const std::string& value) { statement_.bindNoCopy(index, value); }
  void put(int index, std::string_view value) { statement_.bind(index, std::string(value)); }
  void put(int index, const Digest& value) { statement_.bindNoCopy(index, value.str()); }
  void put(int index, const DiffId& value) { statement_.bindNoCopy(index, value.str()); }
  template <class T>
  void put(int index, const std::optional<T>& value) {
    if (value) {
      put(index, *value);
    } else {
      statement_.bind(index);
    }
  }
  void put(int index, Bytes blob) {
    statement_.bindNoCopy(index, blob.data(), static_cast<int>(blob.size()));
  }

  SQLite::Statement& statement_;
};

/// The connection and its prepared statements.
struct Connection {
  explicit Connection(const std::filesystem::path& file);

  /// The statement of this text, prepared at its first use. `sql` is a literal: its address is the
  /// key.
  SQLite::Statement& prepared(const char* sql);
  /// One or more statements without parameters.
  void execute(const char* sql);

  SQLite::Database db;
  std::unordered_map<const char*, SQLite::Statement> statements;
  Tables::Found found;
  std::uint64_t writes = 0;  ///< of rows that carry a generation
  std::uint64_t writes_before_advance = 0;
  std::uint64_t writes_synced = 0;
};

}  // namespace kiln::store
