// A step of a build that is not a vertex: loading the Dockerfile, exporting, pushing.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "builder/solver/executor.h"
#include "builder/solver/solver.h"
#include "proto/messages.h"

namespace kiln {

/// Shows a step from construction to done(); without done() it is shown as failed when it goes
/// away.
class Step final : public solver::StepListener {
 public:
  Step(EventSink events, solver::StepCounter& counter, std::string name);
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  ~Step() override;

  void log(int stream, std::string_view text) override;
  void progress(std::string_view item,
                std::uint64_t current_bytes,
                std::uint64_t total_bytes) override;
  void phase(const solver::PhaseSpan& span) override;
  void done() { end(StepOutcome::done); }

 private:
  void end(StepOutcome outcome);

  EventSink events_;
  int number_;
  solver::StepCounter::Clock::time_point build_start_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool ended_ = false;
};

/// Tells the phases of a build that belong to no step, until the build is over: shared work may go
/// on for others.
class BuildListener final : public solver::StepListener {
 public:
  BuildListener(EventSink events, const solver::StepCounter& counter)
      : events_(std::move(events)), build_start_(counter.began()) {}

  void log(int /*stream*/, std::string_view /*text*/) override {}
  void progress(std::string_view /*item*/,
                std::uint64_t /*current_bytes*/,
                std::uint64_t /*total_bytes*/) override {}
  void phase(const solver::PhaseSpan& span) override;
  void end() noexcept { ended_ = true; }

 private:
  EventSink events_;
  solver::StepCounter::Clock::time_point build_start_;
  bool ended_ = false;
};

}  // namespace kiln
