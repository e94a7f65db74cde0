#include "builder/ops/cache_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <map>
#include <tuple>
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

constexpr std::size_t kMaxIdBytes = 64 * 1024;
constexpr const char* kRetired = "retired";

/// One directory and who uses it.
struct Slot {
  std::string id{};
  std::int64_t used_ns = 0;
  int users = 0;
  bool shared = false;   ///< its users let others in
  bool ready = false;    ///< false while it is made, held or removed, by its one user
  bool held = false;     ///< soon ready again: who wants it waits
  bool retired = false;  ///< goes with its last user; nobody else gets it
};

using Slots = std::map<std::string, Slot>;  // by the directory's name

std::string free_name(const Slots& slots, const std::string& key) {
  for (int number = 0;; ++number) {
    std::string name = fmt::format("{}-{}", key, number);
    if (!slots.contains(name)) return name;
  }
}

/// One that a new user may have or has to wait for: one that is held or shared, or else one that is
/// free.
Slots::iterator choose(Slots& slots, CacheMounts::Sharing sharing) {
  auto result = slots.end();
  for (auto slot = slots.begin(); slot != slots.end(); ++slot) {
    const Slot& one = slot->second;
    if (one.retired) continue;
    if (one.held) return slot;
    if (sharing == CacheMounts::Sharing::shared && one.users > 0 && one.shared) return slot;
    if (one.users == 0 && result == slots.end()) result = slot;
  }
  return result;
}

bool any_current(const Slots& slots) {
  return std::ranges::any_of(slots, [](const auto& slot) { return !slot.second.retired; });
}

/// What a loaded directory is known by.
std::string loaded_key(const std::string& id) {
  return std::string(sha256("loaded " + id).hex());
}

void touch(const fs::path& file) {
  if (::utimensat(AT_FDCWD, file.c_str(), nullptr, 0) != 0)
    throw system_error(errno, "note the use of " + file.string());
}

void move_directory(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    throw system_error(errno, fmt::format("rename {} to {}", from.string(), to.string()));
}

Slot read_slot(const fs::path& directory) {
  const fs::path about = directory / "about";
  Slot slot;
  slot.id = os::read_file(about, kMaxIdBytes);
  if (slot.id.ends_with('\n')) slot.id.pop_back();
  struct stat status{};
  if (::stat(about.c_str(), &status) != 0) throw system_error(errno, "stat " + about.string());
  slot.used_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  slot.ready = true;
  return slot;
}

}  // namespace

struct CacheMounts::State {
  /// A directory by its key and its name.
  using Name = std::pair<std::string, std::string>;

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
  Slot& slot(const Name& name) { return directories.at(name.first).at(name.second); }
  void remove(const Name& name) {
    directories[name.first].erase(name.second);
    notify();
  }
  void make_ready(const Name& name, int users) {
    Slot& one = slot(name);
    one.ready = true;
    one.held = false;
    one.users = users;
    notify();
  }

  /// Puts a directory out of sight and removes it; blocks.
  static std::uint64_t discard(const store::Store& store, const fs::path& directory) {
    const os::TempDir trash = store.make_temp("cache-mount");
    move_directory(directory, trash.path() / "gone");
    return snapshot::disk_bytes(trash.path() / "gone");
  }

  /// A user of a retired directory ended, the last one.
  void drop_retired(const Name& name) {
    remove(name);
    asio::post(pool, [&store_ = store, directory = path(name.second)] {
      try {
        discard(store_, directory);
      } catch (const Error&) {
        return;  // it says that it is retired: the next start removes it
      }
    });
  }

  /// Directories of an id that are neither retired nor under way; all ids for nullptr.
  std::vector<Name> current(const std::string* id) {
    std::vector<Name> found;
    for (const auto& [key, slots] : directories) {
      for (const auto& [name, one] : slots) {
        if (one.retired || (!one.ready && !one.held)) continue;
        if (id == nullptr || one.id == *id) found.emplace_back(key, name);
      }
    }
    return found;
  }

  asio::awaitable<std::uint64_t> remove_free(std::vector<Name> going);
  asio::awaitable<Removed> retire(std::vector<Name> going);
  asio::awaitable<void> take_over(Name loaded, Name name, const Wish& wish);
  asio::awaitable<void> make(Name name, const Wish& wish);
  asio::awaitable<void> in_background(std::function<void(std::stop_token)> work,
                                      Name name,
                                      const std::function<void()>& undo);
};

class CacheMounts::Held final : public CacheMounts::Lease {
 public:
  Held(std::shared_ptr<State> state, State::Name name)
      : state_(std::move(state)),
        name_(std::move(name)),
        content_(state_->path(name_.second) / "content") {}
  ~Held() override {
    Slot& slot = state_->slot(name_);
    --slot.users;
    if (slot.retired && slot.users == 0) {
      state_->drop_retired(name_);
    } else if (slot.held) {
      state_->make_ready(name_, 0);
    } else {
      state_->notify();
    }
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  [[nodiscard]] const fs::path& content() const override { return content_; }

 private:
  std::shared_ptr<State> state_;
  State::Name name_;
  fs::path content_;
};

CacheMounts::CacheMounts(asio::any_io_executor executor,
                         store::Store& store,
                         asio::thread_pool& pool)
    : state_(std::make_shared<State>(std::move(executor), store, pool)) {
  for (const os::DirEntry& entry : os::Dir::open(store.root() / "cache-mounts").entries()) {
    const fs::path path = state_->path(entry.name);
    std::error_code error;
    if (fs::exists(path / kRetired, error) || !fs::exists(path / "about", error)) {
      State::discard(store, path);
      continue;
    }
    const std::string key = entry.name.substr(0, entry.name.rfind('-'));
    state_->directories[key][entry.name] = read_slot(path);
  }
}

/// Runs `work` on the pool for the one user of a directory that is not ready; `undo` when it fails.
asio::awaitable<void> CacheMounts::State::in_background(std::function<void(std::stop_token)> work,
                                                        Name name,
                                                        const std::function<void()>& undo) {
  std::exception_ptr failure;
  try {
    auto run = [&work](std::stop_token stop) {
      work(std::move(stop));
      return true;
    };
    co_await os::offload_cancellable(pool, run);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return make_ready(name, slot(name).users);
  undo();
  std::rethrow_exception(failure);
}

/// Makes a new directory under a name that its user has taken.
asio::awaitable<void> CacheMounts::State::make(Name name, const Wish& wish) {
  const fs::path path = this->path(name.second);
  const auto work = [&](std::stop_token stop) {
    const os::TempDir made = store.make_temp("cache-mount");
    wish.fill(made.path() / "content", std::move(stop));
    os::write_file(made.path() / "about", wish.id + "\n");
    move_directory(made.path(), path);
  };
  co_await in_background(work, name, [] {});
}

/// Gives a loaded directory the name that its first user has taken.
asio::awaitable<void> CacheMounts::State::take_over(Name loaded, Name name, const Wish& wish) {
  const fs::path from = path(loaded.second);
  const fs::path to = path(name.second);
  const auto work = [&](const std::stop_token&) {
    if (wish.take_over) wish.take_over(from / "content");
    touch(from / "about");
    move_directory(from, to);
  };
  co_await in_background(work, name, [&] { make_ready(loaded, 0); });
  remove(loaded);
}

asio::awaitable<std::shared_ptr<const CacheMounts::Lease>> CacheMounts::acquire(Wish wish) {
  const std::shared_ptr<State> state = state_;
  const std::string key(sha256(wish.identity).hex());
  const std::string loaded = loaded_key(wish.id);
  Slots& slots = state->directories[key];
  Slots& loads = state->directories[loaded];
  auto load = choose(loads, wish.sharing);
  auto slot = choose(slots, wish.sharing);
  const auto has_to_wait = [&] {
    if (load != loads.end()) return !load->second.ready;
    if (slot != slots.end()) return !slot->second.ready;
    return wish.sharing == Sharing::locked && any_current(slots);
  };
  while (has_to_wait()) {
    const auto changed = state->changed;
    co_await changed->wait();
    load = choose(loads, wish.sharing);
    slot = choose(slots, wish.sharing);
  }
  if (load != loads.end()) {
    load->second = {wish.id, load->second.used_ns, 1, true, false, true, false};
    slot = slots.end();
  }
  const bool is_new = slot == slots.end();
  if (is_new) slot = slots.emplace(free_name(slots, key), Slot{}).first;
  slot->second.id = wish.id;
  slot->second.used_ns = os::now_ns();
  ++slot->second.users;
  slot->second.shared = wish.sharing == Sharing::shared;
  const State::Name name(key, slot->first);
  auto lease = std::make_shared<const Held>(state, name);
  const fs::path path = state->path(name.second);
  std::exception_ptr failure;
  try {
    if (load != loads.end()) {
      const State::Name from(loaded, load->first);
      auto before = state->current(&wish.id);
      std::erase(before, from);
      static_cast<void>(co_await state->retire(std::move(before)));
      co_await state->take_over(from, name, wish);
    } else if (is_new) {
      co_await state->make(name, wish);
    } else {
      co_await os::offload(state->pool, [&path] { touch(path / "about"); });
    }
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return lease;
  lease.reset();
  if (is_new) state->remove(name);
  std::rethrow_exception(failure);
}

/// Removes directories that nobody uses; those that have a user by now stay.
asio::awaitable<std::uint64_t> CacheMounts::State::remove_free(std::vector<Name> going) {
  std::erase_if(going, [&](const Name& name) { return slot(name).users > 0; });
  for (const Name& name : going) {
    slot(name).users = 1;
    slot(name).shared = slot(name).ready = false;
  }
  std::uint64_t freed = 0;
  std::size_t gone = 0;
  auto remove_all = [&] {
    for (const Name& name : going) {
      freed += discard(store, path(name.second));
      ++gone;
    }
  };
  std::exception_ptr failure;
  try {
    co_await os::offload(pool, remove_all);
  } catch (...) {
    failure = std::current_exception();
  }
  for (std::size_t i = 0; i < going.size(); ++i) {
    if (i < gone) {
      remove(going[i]);
    } else {
      make_ready(going[i], 0);  // still there
    }
  }
  if (failure) std::rethrow_exception(failure);
  co_return freed;
}

/// Removes the free ones, and has the others go with their users.
asio::awaitable<CacheMounts::Removed> CacheMounts::State::retire(std::vector<Name> going) {
  Removed removed{going.size(), 0};
  std::vector<fs::path> used;
  for (const Name& name : going) {
    if (slot(name).users == 0) continue;
    slot(name).retired = true;
    used.push_back(path(name.second));
  }
  std::erase_if(going, [&](const Name& name) { return slot(name).retired; });
  notify();  // who waited for a locked one gets another
  auto mark = [&] {
    for (const fs::path& directory : used) {
      std::error_code error;
      if (fs::exists(directory, error)) os::write_file(directory / kRetired, "");
    }
  };
  co_await os::offload(pool, mark);
  removed.freed_bytes = co_await remove_free(std::move(going));
  co_return removed;
}

asio::awaitable<std::uint64_t> CacheMounts::prune() {
  const std::shared_ptr<State> state = state_;
  co_return co_await state->remove_free(state->current(nullptr));
}

asio::awaitable<std::uint64_t> CacheMounts::prune(std::set<std::string> names) {
  const std::shared_ptr<State> state = state_;
  auto going = state->current(nullptr);
  std::erase_if(going, [&](const State::Name& name) { return !names.contains(name.second); });
  co_return co_await state->remove_free(std::move(going));
}

std::set<std::string> CacheMounts::in_use() const {
  std::set<std::string> names;
  for (const auto& [key, slots] : state_->directories) {
    for (const auto& [name, slot] : slots) {
      if (slot.users > 0) names.insert(name);
    }
  }
  return names;
}

std::vector<CacheMounts::Entry> CacheMounts::list() const {
  std::vector<Entry> entries;
  for (const auto& [key, name] : state_->current(nullptr)) {
    const Slot& slot = state_->slot({key, name});
    entries.push_back({slot.id, name, state_->path(name) / "content", slot.used_ns, slot.users,
                       slot.users > 0 && slot.shared});
  }
  std::ranges::sort(entries, [](const Entry& left, const Entry& right) {
    return std::tuple(std::string_view(left.id), -left.used_ns) <
           std::tuple(std::string_view(right.id), -right.used_ns);
  });
  return entries;
}

asio::awaitable<std::shared_ptr<const CacheMounts::Lease>> CacheMounts::hold(
    std::string id, std::function<void(int users)> waiting) {
  const std::shared_ptr<State> state = state_;
  while (true) {
    const auto entries = list();
    const auto found = std::ranges::find(entries, id, &Entry::id);
    if (found == entries.end()) co_return nullptr;
    const State::Name name(found->name.substr(0, found->name.rfind('-')), found->name);
    Slot& slot = state->slot(name);
    if (slot.users == 0) {
      slot.users = 1;
      slot.ready = false;
      slot.held = true;
      co_return std::make_shared<const Held>(state, name);
    }
    if (const auto tell = std::exchange(waiting, nullptr)) tell(slot.users);
    const auto changed = state->changed;
    co_await changed->wait();
  }
}

asio::awaitable<void> CacheMounts::place(std::string id, os::TempDir made) {
  const std::shared_ptr<State> state = state_;
  const std::string key = loaded_key(id);
  auto before = state->current(&id);
  State::Name name(key, free_name(state->directories[key], key));
  state->directories[key][name.second] = {id, os::now_ns(), 1, true, false, true, false};
  const auto work = [&](const std::stop_token&) {
    os::write_file(made.path() / "about", id + "\n");
    move_directory(made.path(), state->path(name.second));
  };
  co_await state->in_background(work, name, [&] { state->remove(name); });
  state->make_ready(name, 0);
  static_cast<void>(co_await state->retire(std::move(before)));
}

asio::awaitable<CacheMounts::Removed> CacheMounts::remove(std::string id) {
  const std::shared_ptr<State> state = state_;
  co_return co_await state->retire(state->current(&id));
}

}  // namespace kiln::ops
