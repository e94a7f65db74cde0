#include "registry-client/watchdog.h"

#include <boost/asio/steady_timer.hpp>
#include <cstdint>

namespace kiln::registry {

struct Watchdog::State {
  boost::asio::steady_timer timer;
  std::function<void()> on_expiry;
  std::uint64_t turn = 0;  ///< a wait that was replaced may already be queued as successful
  bool expired = false;
};

Watchdog::Watchdog(const boost::asio::any_io_executor& executor, std::function<void()> on_expiry)
    : state_(std::make_shared<State>(
          State{boost::asio::steady_timer(executor), std::move(on_expiry)})) {}

Watchdog::~Watchdog() {
  state_->on_expiry = nullptr;
  disarm();
}

void Watchdog::arm(std::chrono::milliseconds limit) {
  state_->timer.expires_after(limit);
  state_->timer.async_wait(
      [state = state_, turn = ++state_->turn](const boost::system::error_code& error) {
        if (error || turn != state->turn || !state->on_expiry) return;
        state->expired = true;
        state->on_expiry();
      });
}

void Watchdog::disarm() {
  ++state_->turn;
  state_->timer.cancel();
}

bool Watchdog::expired() const noexcept {
  return state_->expired;
}

}  // namespace kiln::registry
