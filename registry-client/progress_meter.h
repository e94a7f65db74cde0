// Tells how far a transfer is, a few times a second.
#pragma once

#include <chrono>
#include <cstdint>

#include "registry-client/client.h"

namespace kiln::registry {

class ProgressMeter {
 public:
  /// `report` may be empty.
  explicit ProgressMeter(ProgressFn report) : report_(std::move(report)) {}

  /// A new attempt counts from nothing again.
  void restart() { current_bytes_ = 0; }

  void advance(std::uint64_t bytes) {
    current_bytes_ += bytes;
    const auto now = std::chrono::steady_clock::now();
    if (now - reported_at_ < kInterval) return;
    reported_at_ = now;
    if (report_) report_(current_bytes_);
  }

  /// The last report is always made.
  void finish() {
    if (report_) report_(current_bytes_);
  }

 private:
  static constexpr std::chrono::milliseconds kInterval{100};
  ProgressFn report_;
  std::uint64_t current_bytes_ = 0;
  std::chrono::steady_clock::time_point reported_at_;
};

}  // namespace kiln::registry
