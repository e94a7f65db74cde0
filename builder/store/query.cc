#include "builder/store/query.h"

#include <sqlite3.h>

#include "proto/error.h"

namespace kiln::store {

Error database_error(const SQLite::Exception& exception) {
  switch (exception.getErrorCode()) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Errc::corrupt, "the store's database is damaged: {}", exception.what()};
    case SQLITE_FULL: {
      Error error(Errc::unavailable, "write the store's database: no space left");
      error.set_disk_full();
      return error;
    }
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
      return {Errc::unavailable, "the store's database: {}", exception.what()};
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return {Errc::denied, "the store's database: {}", exception.what()};
    default:
      return {Errc::internal, "the store's database: {}", exception.what()};
  }
}

bool Query::step() {
  try {
    return statement_.executeStep();
  } catch (const SQLite::Exception& exception) {
    throw database_error(exception);
  }
}

int Query::run() {
  try {
    return statement_.exec();
  } catch (const SQLite::Exception& exception) {
    throw database_error(exception);
  }
}

std::string Query::text(int column) const {
  return std::string(bytes(column));
}

std::int64_t Query::integer(int column) const {
  return statement_.getColumn(column).getInt64();
}

bool Query::null(int column) const {
  return statement_.isColumnNull(column);
}

std::string_view Query::bytes(int column) const {
  const SQLite::Column value = statement_.getColumn(column);
  const void* const data = value.getBlob();
  return {static_cast<const char*>(data), static_cast<std::size_t>(value.getBytes())};
}

Digest Query::digest(int column) const {
  try {
    return Digest::parse(bytes(column));
  } catch (const Error& error) {
    throw Error(Errc::corrupt, "the store's database is damaged: {}", error.what());
  }
}

std::optional<Digest> Query::optional_digest(int column) const {
  if (null(column)) return std::nullopt;
  return digest(column);
}

Connection::Connection(const std::filesystem::path& file) try
    : db(file.string(),
         // One thread uses it: it needs no lock, which would be taken for each value of a row.
         SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX,
         /*aBusyTimeoutMs=*/2000) {
} catch (const SQLite::Exception& exception) {
  throw database_error(exception);
}

SQLite::Statement& Connection::prepared(const char* sql) {
  const auto known = statements.find(sql);
  if (known != statements.end()) return known->second;
  try {
    return statements.try_emplace(sql, db, sql).first->second;
  } catch (const SQLite::Exception& exception) {
    throw database_error(exception);
  }
}

void Connection::execute(const char* sql) {
  try {
    db.exec(sql);
  } catch (const SQLite::Exception& exception) {
    throw database_error(exception);
  }
}

}  // namespace kiln::store
