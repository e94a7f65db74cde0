// One deadline over whatever a connection is doing.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace kiln::registry {

/// Calls back once when nobody re-arms it in time. The call-back never runs after destruction.
class Watchdog {
 public:
  Watchdog(const boost::asio::any_io_executor& executor, std::function<void()> on_expiry);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Expires after `limit` from now; replaces what was set before.
  void arm(std::chrono::milliseconds limit);
  /// Nothing is awaited: no deadline, and no work left on the loop.
  void disarm();
  [[nodiscard]] bool expired() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kiln::registry
