// Directories of RUN --mount=type=cache: they outlive builds and daemons, and no key knows them.
//
//   ROOT/cache-mounts/KEY-N/content   what a command sees
//   ROOT/cache-mounts/KEY-N/about     the mount's id, for people; its time is that of the last use
//   ROOT/cache-mounts/KEY-N/retired   there when something else took its place while it was in use
//
// KEY is the digest of what makes two mounts the same one; several N exist where commands wanted it
// at the same time and not together. The directory is the record: it appears by one rename, whole,
// so there is no row that a crash could leave without its directory. What a user loads is known by
// its id alone; the first mount of that id takes it over, whatever else it is known by, and what
// the id had before is no more. Thread: the event loop's.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "builder/graph/op.h"
#include "builder/os/file.h"
#include "builder/store/store.h"

namespace kiln::ops {

class CacheMounts {
 public:
  using Sharing = graph::CacheMount::Sharing;

  /// What a mount is known by, and how a new one is made: `fill` makes the given path, a file or a
  /// directory; it blocks and runs on the pool.
  struct Wish {
    std::string id;
    std::string identity;  ///< id, and what it begins with
    Sharing sharing = Sharing::shared;
    std::function<void(const std::filesystem::path& content, std::stop_token stop)> fill;
    /// Gives a loaded directory what the mount itself would have set; may be empty.
    std::function<void(const std::filesystem::path& content)> take_over{};
  };

  /// One directory.
  struct Entry {
    std::string id;
    std::string name;  ///< KEY-N
    std::filesystem::path content;
    std::int64_t used_ns = 0;  ///< when it was last given out, since the epoch
    int users = 0;             ///< running commands
    bool shared = false;       ///< its users let others in
  };

  /// Keeps a directory from other users, as far as its sharing says, and from prune().
  class Lease {
   public:
    virtual ~Lease() = default;
    [[nodiscard]] virtual const std::filesystem::path& content() const = 0;
  };

  /// References outlive it. Blocks: lists the directories.
  CacheMounts(boost::asio::any_io_executor executor,
              store::Store& store,
              boost::asio::thread_pool& pool);

  /// A directory for the wish: of those that exist one that is free or shared, else a new one; a
  /// locked one is waited for while anybody uses it. Cancellable.
  boost::asio::awaitable<std::shared_ptr<const Lease>> acquire(Wish wish);

  /// Removes what nobody uses; returns the bytes that it took on disk.
  boost::asio::awaitable<std::uint64_t> prune();
  /// The same of those of these names (KEY-N) alone.
  boost::asio::awaitable<std::uint64_t> prune(std::set<std::string> names);
  /// The names of those that somebody uses.
  [[nodiscard]] std::set<std::string> in_use() const;

  /// All that a new user could get; sorted by id, the last used of one id first.
  [[nodiscard]] std::vector<Entry> list() const;
  /// The last used directory of an id, to oneself: waits until no command uses it, and while it is
  /// held all that want it wait. `waiting` is called when that takes long to begin with: with the
  /// number of its users. nullptr when there is none. Cancellable.
  boost::asio::awaitable<std::shared_ptr<const Lease>> hold(std::string id,
                                                            std::function<void(int users)> waiting);
  /// Puts `made`/content in the place of all that the id has. Commands that use those keep them to
  /// their end. `made` is on the store's file system.
  boost::asio::awaitable<void> place(std::string id, os::TempDir made);
  /// Removes all directories of an id, those in use when their users end. Returns how many, and the
  /// bytes that are free now.
  struct Removed {
    std::size_t count = 0;
    std::uint64_t freed_bytes = 0;
  };
  boost::asio::awaitable<Removed> remove(std::string id);

 private:
  struct State;
  class Held;
  std::shared_ptr<State> state_;
};

}  // namespace kiln::ops
