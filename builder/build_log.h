// The log that a build leaves: every event on disk with its time, never clipped.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "builder/os/fd.h"
#include "proto/build_history.h"
#include "proto/log_text.h"

namespace kiln {

/// Writes events as they pass to the client: ROOT/builds/ID/events.ndjson, a TimedEvent a line.
/// Progress that later events say again is left out. Also remembers the last lines of each step,
/// for the message of the one that fails, and counts steps.
///
/// Each event is given to the kernel at once: whoever reads the file sees all of it, also after the
/// daemon was killed. Nothing is synced.
class BuildLog {
 public:
  using Clock = std::chrono::steady_clock;

  /// Makes the directory. Times count from `start`. Throws Error.
  BuildLog(const std::filesystem::path& directory, Clock::time_point start);

  /// Throws Error when the disk is full: a build that cannot be logged is not a build.
  void write(const BuildEvent& event);

  /// The last lines that the step said, at most 20, without line ends.
  [[nodiscard]] std::vector<std::string> tail(int step) const;

  [[nodiscard]] int steps() const noexcept { return steps_; }  ///< that have ended
  [[nodiscard]] int cached_steps() const noexcept { return cached_steps_; }

 private:
  void write_line(const BuildEvent& event);
  void write_text(StepLog log);
  void end_step(const StepEnded& event);

  std::filesystem::path path_;
  Clock::time_point start_;
  os::Fd file_;
  LogText text_;
  std::map<int, std::string> tails_;
  int steps_ = 0;
  int cached_steps_ = 0;
};

}  // namespace kiln
