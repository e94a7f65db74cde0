// Times one phase of a step.
//
// Thread: the event loop's; what it times may run on the pool.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "builder/solver/executor.h"

namespace kiln::solver {

/// Begins when it is made. A phase that is not stopped has failed, and is not told.
class PhaseTimer {
 public:
  PhaseTimer(Listener listener, Phase phase, std::string item = {})
      : listener_(std::move(listener)),
        span_{phase, std::move(item), std::chrono::steady_clock::now(), {}, 0} {}

  /// Tells the listener. `bytes` went through it; 0 when that says nothing.
  void stop(std::uint64_t bytes = 0) {
    span_.to = std::chrono::steady_clock::now();
    span_.bytes = bytes;
    listener_->phase(span_);
  }

 private:
  Listener listener_;
  PhaseSpan span_;
};

}  // namespace kiln::solver
