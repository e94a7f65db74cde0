#include "builder/os/task_group.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "proto/error.h"

namespace kiln::os {

namespace asio = boost::asio;

Event::Event(asio::any_io_executor executor)
    : timer_(std::move(executor), asio::steady_timer::time_point::max()) {}

void Event::set() {
  set_ = true;
  timer_.cancel();
}

asio::awaitable<bool> Event::wait_or_cancelled() {
  if (set_) co_return true;
  boost::system::error_code error;
  // The timer never fires: it is cancelled by set(), or because the waiter is.
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
  co_return set_;
}

asio::awaitable<void> Event::wait() {
  if (!co_await wait_or_cancelled()) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

TaskGroup::TaskGroup(asio::any_io_executor executor) : executor_(std::move(executor)) {}

TaskGroup::~TaskGroup() {
  if (running_ != 0) std::terminate();  // a task would outlive what it refers to
}

void TaskGroup::spawn(asio::awaitable<void> task) {
  const auto signal = signals_.emplace(signals_.end());
  ++running_;
  asio::co_spawn(
      executor_, std::move(task),
      asio::bind_cancellation_slot(signal->slot(), [this, signal](std::exception_ptr error) {
        if (error && !failure_) failure_ = error;
        signals_.erase(signal);
        if (--running_ == 0 && idle_) idle_->set();
      }));
}

void TaskGroup::cancel() {
  // A handler may finish a task inside emit() and erase its signal: step before emitting.
  for (auto next = signals_.begin(); next != signals_.end();) {
    auto& signal = *next++;
    signal.emit(asio::cancellation_type::terminal);
  }
}

asio::awaitable<void> TaskGroup::join() {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  while (running_ != 0) {
    Event idle(executor_);
    idle_ = &idle;
    const bool done = co_await idle.wait_or_cancelled();
    idle_ = nullptr;
    if (!done) cancel();
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

namespace {

/// Shared by the tasks of one all_of; lives in its frame, which outlives them.
struct Siblings {
  TaskGroup group;
  std::exception_ptr first_failure;
};

asio::awaitable<void> run_sibling(Siblings& siblings, asio::awaitable<void> task) {
  try {
    co_await std::move(task);
  } catch (...) {
    // Only the first failure is the cause; the others are its cancellations.
    if (!siblings.first_failure) {
      siblings.first_failure = std::current_exception();
      siblings.group.cancel();
    }
  }
}

}  // namespace

asio::awaitable<void> all_of(std::vector<asio::awaitable<void>> tasks) {
  if (tasks.empty()) co_return;
  if (tasks.size() == 1) {
    co_await std::move(tasks.front());
    co_return;
  }
  const auto executor = co_await asio::this_coro::executor;
  Siblings siblings{TaskGroup(executor), nullptr};
  for (auto& task : tasks)
    siblings.group.spawn(run_sibling(siblings, std::move(task)));

  co_await siblings.group.join();
  if (siblings.first_failure) std::rethrow_exception(siblings.first_failure);
}

Limiter::Limiter(asio::any_io_executor executor, int limit)
    : executor_(std::move(executor)), free_(limit) {
  check(limit > 0, "a limiter lets something through");
}

/// In the queue, until its turn comes or its coroutine goes away in whatever way.
struct Limiter::Place {
  Limiter& limiter;
  Party party;
  Event turn;
  std::list<Place*>::iterator position;

  Place(Limiter& owner, Party who)
      : limiter(owner),
        party(who),
        turn(owner.executor_),
        position(owner.waiting_.insert(owner.waiting_.end(), this)) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (!turn.is_set()) limiter.waiting_.erase(position);  // release() takes those out that it sets
  }
};

asio::awaitable<Limiter::Slot> Limiter::acquire(Party party) {
  if (free_ > 0) {
    --free_;
    ++held_[party];
    co_return Slot(*this, party);
  }
  Place place(*this, party);
  try {
    co_await place.turn.wait();
  } catch (...) {
    // Cancelled. If the place was handed over in the same moment, pass it on.
    if (place.turn.is_set()) release(party);
    throw;
  }
  co_return Slot(*this, party);
}

void Limiter::leave(Party party) {
  const auto count = held_.find(party);
  check(count != held_.end(), "who gives a place back had one");
  if (--count->second == 0) held_.erase(count);
}

void Limiter::release(Party party) {
  leave(party);
  const auto held = [this](const Place* place) {
    const auto count = held_.find(place->party);
    return count == held_.end() ? 0 : count->second;
  };
  const auto next = std::ranges::min_element(waiting_, {}, held);
  if (next == waiting_.end()) {
    ++free_;
    return;
  }
  Place& place = **next;
  waiting_.erase(next);
  ++held_[place.party];
  place.turn.set();
}

}  // namespace kiln::os
