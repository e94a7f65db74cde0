// Something that happens unless it is called off in time.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace kiln::daemon {

/// Calls `expire` on the event loop once `after` has passed, unless destroyed before. `expire` is
/// never called after the destructor, so it may refer to what outlives this object.
class Deadline {
 public:
  Deadline(boost::asio::any_io_executor executor,
           std::chrono::steady_clock::duration after,
           std::function<void()> expire);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  [[nodiscard]] bool expired() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< shared with the timer's handler, which may already be queued
};

}  // namespace kiln::daemon
