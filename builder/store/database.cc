#include "builder/store/database.h"

namespace kiln::store {

Database::Database(const std::filesystem::path& file) {
  tables_ = on_thread([&file] { return std::make_unique<Tables>(file); });
}

Database::~Database() {
  thread_.join();
}

}  // namespace kiln::store
