// The text of schema.sql, compiled in.
#pragma once

namespace kiln::store {

extern const char* const kSchemaSql;

}  // namespace kiln::store
