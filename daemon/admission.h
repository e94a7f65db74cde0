// How many builds run at once, and who is next.
//
// A free place goes to the waiting user with the fewest running builds; between equals, and for one
// user, first come first served. Thread: the event loop's.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <list>
#include <map>
#include <utility>

#include "builder/os/task_group.h"

namespace kiln::daemon {

class Admission {
 public:
  explicit Admission(int limit);

  /// The right to run one build, given back when destroyed.
  class Place {
   public:
    Place(Place&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)), uid_(other.uid_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (admission_) admission_->leave(uid_);
    }

   private:
    friend class Admission;
    Place(Admission& admission, uid_t uid) noexcept : admission_(&admission), uid_(uid) {}
    Admission* admission_;
    uid_t uid_;
  };

  /// Waits for a place; a cancelled waiter leaves the queue.
  boost::asio::awaitable<Place> enter(uid_t uid);

  [[nodiscard]] bool is_full() const noexcept { return running_ >= limit_; }
  [[nodiscard]] int limit() const noexcept { return limit_; }
  [[nodiscard]] int running() const noexcept { return running_; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }

 private:
  struct Waiter {
    uid_t uid;
    os::Event* turn;
  };
  void take(uid_t uid);
  void leave(uid_t uid) noexcept;

  int limit_;
  int running_ = 0;
  std::map<uid_t, int> running_of_;
  std::list<Waiter> waiting_;
};

}  // namespace kiln::daemon
