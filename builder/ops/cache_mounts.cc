#include "builder/ops/cache_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <map>
#include <vector>

#include "builder/os/cancellable.h"
#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "builder/snapshot/workspace.h"
#include "proto/digest.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

/// One directory and who uses it.
struct Slot {
  int users = 0;
  bool shared = false;  ///< its users let others in
  bool ready = false;   ///< false while it is made or removed, by its one user
};

using Slots = std::map<std::string, Slot>;  // by the directory's name

std::string free_name(const Slots& slots, const std::string& key) {
  for (int number = 0;; ++number) {
    std::string name = fmt::format("{}-{}", key, number);
    if (!slots.contains(name)) return name;
  }
}

/// One that a new user may have: one that is shared, or else one that is free.
Slots::iterator choose(Slots& slots, CacheMounts::Sharing sharing) {
  auto result = slots.end();
  for (auto slot = slots.begin(); slot != slots.end(); ++slot) {
    const Slot& one = slot->second;
    if (sharing == CacheMounts::Sharing::shared && one.users > 0 && one.shared) return slot;
    if (one.users == 0 && result == slots.end()) result = slot;
  }
  return result;
}

void touch(const fs::path& file) {
  if (::utimensat(AT_FDCWD, file.c_str(), nullptr, 0) != 0)
    throw system_error(errno, "note the use of " + file.string());
}

void move_directory(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    throw system_error(errno, fmt::format("rename {} to {}", from.string(), to.string()));
}

}  // namespace

struct CacheMounts::State {
  State(asio::any_io_executor executor_, store::Store& store_, asio::thread_pool& pool_)
      : executor(std::move(executor_)),
        store(store_),
        pool(pool_),
        changed(std::make_shared<os::Event>(executor)) {}

  asio::any_io_executor executor;
  store::Store& store;
  asio::thread_pool& pool;
  std::map<std::string, Slots> directories;  ///< by key
  std::shared_ptr<os::Event> changed;        ///< set when a directory became free, ready or gone

  void notify() { std::exchange(changed, std::make_shared<os::Event>(executor))->set(); }
  [[nodiscard]] fs::path path(const std::string& name) const {
    return store.root() / "cache-mounts" / name;
  }
  void remove(const std::string& key, const std::string& name) {
    directories[key].erase(name);
    notify();
  }
};

class CacheMounts::Held final : public CacheMounts::Lease {
 public:
  Held(std::shared_ptr<State> state, std::string key, std::string name)
      : state_(std::move(state)),
        key_(std::move(key)),
        name_(std::move(name)),
        content_(state_->path(name_) / "content") {}
  ~Held() override {
    --state_->directories[key_].at(name_).users;
    state_->notify();
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  [[nodiscard]] const fs::path& content() const override { return content_; }

 private:
  std::shared_ptr<State> state_;
  std::string key_;
  std::string name_;
  fs::path content_;
};

CacheMounts::CacheMounts(asio::any_io_executor executor,
                         store::Store& store,
                         asio::thread_pool& pool)
    : state_(std::make_shared<State>(std::move(executor), store, pool)) {
  for (const os::DirEntry& entry : os::Dir::open(store.root() / "cache-mounts").entries()) {
    const std::string key = entry.name.substr(0, entry.name.rfind('-'));
    state_->directories[key][entry.name] = {0, false, true};
  }
}

asio::awaitable<std::shared_ptr<const CacheMounts::Lease>> CacheMounts::acquire(Wish wish) {
  const std::shared_ptr<State> state = state_;
  const std::string key(sha256(wish.identity).hex());
  Slots& slots = state->directories[key];
  const bool shared = wish.sharing == Sharing::shared;
  auto slot = choose(slots, wish.sharing);
  while (slot != slots.end() ? !slot->second.ready
                             : wish.sharing == Sharing::locked && !slots.empty()) {
    const auto changed = state->changed;
    co_await changed->wait();
    slot = choose(slots, wish.sharing);
  }
  const bool is_new = slot == slots.end();
  if (is_new) slot = slots.emplace(free_name(slots, key), Slot{}).first;
  ++slot->second.users;
  slot->second.shared = shared;
  const std::string name = slot->first;
  auto lease = std::make_shared<const Held>(state, key, name);
  const fs::path path = state->path(name);
  if (!is_new) {
    co_await os::offload(state->pool, [&path] { touch(path / "about"); });
    co_return lease;
  }
  auto make = [&](std::stop_token stop) {
    const os::TempDir made = state->store.make_temp("cache-mount");
    wish.fill(made.path() / "content", std::move(stop));
    os::write_file(made.path() / "about", wish.id + "\n");
    move_directory(made.path(), path);
    return true;
  };
  std::exception_ptr failure;
  try {
    co_await os::offload_cancellable(state->pool, make);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    lease.reset();
    state->remove(key, name);
    std::rethrow_exception(failure);
  }
  slots.at(name).ready = true;
  state->notify();
  co_return lease;
}

asio::awaitable<std::uint64_t> CacheMounts::prune() {
  const std::shared_ptr<State> state = state_;
  std::vector<std::pair<std::string, std::string>> going;
  for (auto& [key, slots] : state->directories) {
    for (auto& [name, slot] : slots) {
      if (slot.users > 0) continue;
      slot = {1, false, false};
      going.emplace_back(key, name);
    }
  }
  std::uint64_t freed = 0;
  std::size_t gone = 0;
  auto remove = [&] {
    for (const auto& [key, name] : going) {
      const os::TempDir trash = state->store.make_temp("cache-mount");
      move_directory(state->path(name), trash.path() / name);
      ++gone;
      freed += snapshot::disk_bytes(trash.path() / name);
    }
  };
  std::exception_ptr failure;
  try {
    co_await os::offload(state->pool, remove);
  } catch (...) {
    failure = std::current_exception();
  }
  for (std::size_t i = 0; i < going.size(); ++i) {
    const auto& [key, name] = going[i];
    if (i < gone) {
      state->remove(key, name);
    } else {
      state->directories[key].at(name) = {0, false, true};  // still there
      state->notify();
    }
  }
  if (failure) std::rethrow_exception(failure);
  co_return freed;
}

}  // namespace kiln::ops
