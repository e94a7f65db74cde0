#include "daemon/admission.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "proto/error.h"

namespace kiln::daemon {

Admission::Admission(int limit) : limit_(limit) {
  check(limit > 0, "admission lets a build through");
}

boost::asio::awaitable<Admission::Place> Admission::enter(uid_t uid) {
  if (!is_full()) {
    take(uid);
    co_return Place(*this, uid);
  }
  os::Event turn(co_await boost::asio::this_coro::executor);
  const auto place = waiting_.insert(waiting_.end(), {uid, &turn});
  try {
    co_await turn.wait();
  } catch (...) {
    // Cancelled. A place that was handed over in the same moment goes on to the next.
    if (turn.is_set()) {
      leave(uid);
    } else {
      waiting_.erase(place);
    }
    throw;
  }
  co_return Place(*this, uid);
}

void Admission::take(uid_t uid) {
  ++running_;
  ++running_of_[uid];
}

void Admission::leave(uid_t uid) noexcept {
  --running_;
  if (--running_of_[uid] == 0) running_of_.erase(uid);
  if (waiting_.empty()) return;
  const auto running = [this](const Waiter& waiter) {
    const auto found = running_of_.find(waiter.uid);
    return found == running_of_.end() ? 0 : found->second;
  };
  // The first of the smallest: the queue is in the order of arrival.
  const auto next = std::ranges::min_element(waiting_, {}, running);
  take(next->uid);
  next->turn->set();
  waiting_.erase(next);
}

}  // namespace kiln::daemon
