// What makes the next run of an instruction quick: its last results, and the blocks of blobs.
#include "builder/store/database.h"
#include "builder/store/query.h"

namespace kiln::store {

void Tables::set_layer_blocks(LayerId id, const std::string& table) {
  Query(connection_->prepared("INSERT OR REPLACE INTO layer_blocks VALUES (?, CAST(? AS BLOB))"))
      .bind(id, table)
      .run();
}

std::string Tables::layer_blocks(LayerId id) {
  Query query(connection_->prepared("SELECT blocks FROM layer_blocks WHERE layer = ?"));
  query.bind(id);
  return query.step() ? std::string(query.bytes(0)) : std::string();
}

std::optional<CopyRow> Tables::copy(const std::string& instruction) {
  Query query(
      connection_->prepared("SELECT whole, files, newest FROM copies WHERE instruction = ?"));
  query.bind(instruction);
  if (!query.step()) return std::nullopt;
  return CopyRow{LayerId{query.integer(0)}, std::string(query.bytes(1)), LayerId{query.integer(2)}};
}

void Tables::put_copy(const std::string& instruction, const CopyRow& row) {
  Query(connection_->prepared("INSERT OR REPLACE INTO copies VALUES (?, ?, CAST(? AS BLOB), ?)"))
      .bind(instruction, row.whole, row.files, row.newest)
      .run();
}

void Tables::set_newest_copy(const std::string& instruction, LayerId newest) {
  Query(connection_->prepared("UPDATE copies SET newest = ? WHERE instruction = ?"))
      .bind(newest, instruction)
      .run();
}

void Tables::remove_copy(const std::string& instruction) {
  Query(connection_->prepared("DELETE FROM copies WHERE instruction = ?")).bind(instruction).run();
}

}  // namespace kiln::store
