#include "daemon/deadline.h"

#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace kiln::daemon {

struct Deadline::State {
  boost::asio::steady_timer timer;
  std::function<void()> expire;
  bool expired = false;
};

Deadline::Deadline(boost::asio::any_io_executor executor,
                   std::chrono::steady_clock::duration after,
                   std::function<void()> expire)
    : state_(std::make_shared<State>(
          State{boost::asio::steady_timer(std::move(executor), after), std::move(expire)})) {
  state_->timer.async_wait([state = state_](boost::system::error_code error) {
    if (error || !state->expire) return;
    state->expired = true;
    std::exchange(state->expire, nullptr)();
  });
}

Deadline::~Deadline() {
  state_->expire = nullptr;
  state_->timer.cancel();
}

bool Deadline::expired() const noexcept {
  return state_->expired;
}

}  // namespace kiln::daemon
