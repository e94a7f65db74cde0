// Directories of RUN --mount=type=cache: they outlive builds and daemons, and no key knows them.
//
//   ROOT/cache-mounts/KEY-N/content   what a command sees
//   ROOT/cache-mounts/KEY-N/about     the mount's id, for people; its time is that of the last use
//
// KEY is the digest of what makes two mounts the same one; several N exist where commands wanted it
// at the same time and not together. The directory is the record: it appears by one rename, whole,
// so there is no row that a crash could leave without its directory. Thread: the event loop's.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "builder/graph/op.h"
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

 private:
  struct State;
  class Held;
  std::shared_ptr<State> state_;
};

}  // namespace kiln::ops
