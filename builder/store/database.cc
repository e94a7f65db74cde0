#include "builder/store/database.h"

namespace kiln::store {

Database::Database(const std::filesystem::path& file) : file_(file) {
  try {
    tables_ = on_thread([&file] { return std::make_unique<Tables>(file); });
  } catch (Error& error) {
    error.name_full_disk(file.native(), kFreeSpace);
    error.add_context(file.native());
    throw;
  }
}

boost::asio::awaitable<void> Database::release_memory() {
  co_await os::offload(thread_, [this] { tables_->release_memory(); });
}

Database::~Database() {
  thread_.join();
}

}  // namespace kiln::store
