// How a database of any version is brought to the newest one.
#pragma once

#include <span>

namespace kiln::store {

/// The text of schema.sql, compiled in.
extern const char* const kSchemaSql;

/// Step N brings a file of version N to version N + 1; a new file starts at 0. Steps are never
/// changed, only added.
[[nodiscard]] std::span<const char* const> schema_steps();

}  // namespace kiln::store
