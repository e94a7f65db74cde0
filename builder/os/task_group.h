// Structured concurrency for coroutines of one event loop: nothing runs that nobody waits for.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace kiln::os {

/// Something that happens once; any number of coroutines wait for it.
class Event {
 public:
  explicit Event(boost::asio::any_io_executor executor);
  void set();
  [[nodiscard]] bool is_set() const noexcept { return set_; }
  /// Returns when set; throws boost::system::system_error{operation_aborted} when the waiter is
  /// cancelled.
  boost::asio::awaitable<void> wait();
  /// The same, but false instead of an exception. Needs this_coro::throw_if_cancelled(false).
  boost::asio::awaitable<bool> wait_or_cancelled();

 private:
  boost::asio::steady_timer timer_;
  bool set_ = false;
};

/// Background coroutines that are joined before their owner dies.
class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::any_io_executor executor);
  /// Broken invariant when tasks still run: join() first.
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Starts `task`. The first exception that leaves a task is kept and thrown by join().
  void spawn(boost::asio::awaitable<void> task);
  /// Asks every running task to stop.
  void cancel();
  /// Waits for all tasks, then throws the first failure. A cancelled waiter cancels them, and still
  /// waits.
  boost::asio::awaitable<void> join();
  [[nodiscard]] std::size_t running() const noexcept { return running_; }

 private:
  boost::asio::any_io_executor executor_;
  std::list<boost::asio::cancellation_signal> signals_;
  std::exception_ptr failure_;
  std::size_t running_ = 0;
  Event* idle_ = nullptr;
};

/// Runs all tasks side by side. The first failure cancels the rest, waits for them, and is thrown.
/// A cancelled waiter cancels all of them and waits.
boost::asio::awaitable<void> all_of(std::vector<boost::asio::awaitable<void>> tasks);

/// At most `limit` holders at a time. A free place goes to the party that holds the fewest, and
/// among those to who came first: no party, however much it asks for, keeps the others waiting.
class Limiter {
 public:
  /// Whoever shares places with others; only compared, never looked at.
  using Party = const void*;

  Limiter(boost::asio::any_io_executor executor, int limit);

  /// Gives the place back when destroyed.
  class Slot {
   public:
    Slot(Limiter& limiter, Party party) noexcept : limiter_(&limiter), party_(party) {}
    Slot(Slot&& other) noexcept
        : limiter_(std::exchange(other.limiter_, nullptr)), party_(other.party_) {}
    Slot& operator=(Slot&& other) noexcept {
      std::swap(limiter_, other.limiter_);
      std::swap(party_, other.party_);
      return *this;
    }
    ~Slot() {
      if (limiter_) limiter_->release(party_);
    }

   private:
    Limiter* limiter_;
    Party party_;
  };

  /// One party: first come, first served.
  boost::asio::awaitable<Slot> acquire(Party party = nullptr);

 private:
  struct Place;

  void release(Party party);
  void leave(Party party);

  boost::asio::any_io_executor executor_;
  int free_;
  std::list<Place*> waiting_;
  std::map<Party, int> held_;  ///< no entry: none
};

}  // namespace kiln::os
